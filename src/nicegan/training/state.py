"""Everything a run must remember, as one object; saved so that a reader never finds half a checkpoint.

A checkpoint is a folder: `weights.safetensors` (both domains whole, and the averaged networks), `state.pt` (step,
optimizers, random number generators, position in the data, best score and patience), and the checksums of both. It is
written beside its place, flushed, and renamed.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, FiniteFloat, NonNegativeInt
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from nicegan.atomic import sync_folder, write_atomically, write_flushed
from nicegan.config import OptimizerConfig, RunConfig, first_mistake
from nicegan.download import sha256_of
from nicegan.errors import CheckpointError
from nicegan.methods.base import Method
from nicegan.methods.build import build_method
from nicegan.models.domain import TranslationPaths
from nicegan.run_folder import pointed_at
from nicegan.training.average import averaged_copy

_UNREADABLE = (  # what reading a damaged checkpoint raises
    OSError,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    pickle.UnpicklingError,
    SafetensorError,
)
FORMAT_VERSION = 3  # 1 knew no rollbacks; 2 no patience, no streaks and no position in the data
SUMS = "sha256.json"


@dataclass
class Best:
    """The best checkpoint so far, by a score of which less is better."""

    step: int
    score: float


class Facts(BaseModel):
    """The small things in a checkpoint, checked; what an older format did not know begins as it would in a new run."""

    step: NonNegativeInt
    drawn: NonNegativeInt | None = None
    rollbacks: NonNegativeInt = 0
    streaks: dict[str, int] = {}
    position: dict[str, Any] = {}
    data: str = ""
    num_worse: NonNegativeInt = 0
    best: tuple[NonNegativeInt, FiniteFloat] | None = None


@dataclass
class TrainingState:
    """A run between two steps."""

    method: Method
    optimizers: tuple[torch.optim.Optimizer, ...]
    average: TranslationPaths
    images_per_step: int  # of each domain, in one process
    step: int = 0
    drawn: int = 0  # images of each domain that all processes have trained on
    best: Best | None = None
    num_worse: int = 0  # scores since the best one
    rollbacks: int = 0
    streaks: dict[str, int] = field(default_factory=dict)  # logged steps in which a head's loss was that of guessing
    position: dict[str, Any] = field(default_factory=dict)  # in the data, where it does not follow from the step
    data: str = ""  # which images, in which order of theirs

    def tensors(self) -> dict[str, Tensor]:
        """All weights: "A.generator...", "average.A.generator..."."""
        named = {
            f"{domain.name}.{key}": value
            for domain in self.method.domains
            for key, value in domain.state_dict().items()
        }
        return named | {f"average.{key}": value for key, value in self.average.state_dict().items()}

    def memory(self) -> dict[str, Any]:
        """All that is not weights."""
        return {
            "format_version": FORMAT_VERSION,
            "step": self.step,
            "drawn": self.drawn,
            "rollbacks": self.rollbacks,
            "streaks": self.streaks,
            "position": self.position,
            "data": self.data,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "best": None if self.best is None else (self.best.step, self.best.score),
            "num_worse": self.num_worse,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def restore(self, tensors: dict[str, Tensor], memory: dict[str, Any]) -> None:
        """Become the run that was saved."""
        own = self.tensors()
        if {name: tensor.shape for name, tensor in own.items()} != {name: t.shape for name, t in tensors.items()}:
            raise CheckpointError("the checkpoint's weights are of other networks than the run's configuration says")
        facts = Facts.model_validate(memory)
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(tensors[name])
        for optimizer, saved in zip(self.optimizers, memory["optimizers"], strict=True):
            restore_optimizer(optimizer, saved)
        self.step = facts.step
        self.drawn = self.step * self.images_per_step if facts.drawn is None else facts.drawn
        self.rollbacks, self.streaks, self.num_worse = facts.rollbacks, facts.streaks, facts.num_worse
        self.position, self.data = facts.position, facts.data
        self.best = None if facts.best is None else Best(*facts.best)
        torch.set_rng_state(memory["random"])
        if torch.cuda.is_available() and memory["random_cuda"]:
            torch.cuda.set_rng_state_all(memory["random_cuda"][: torch.cuda.device_count()])


def restore_optimizer(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Take over what an optimizer has learned; its settings are the run's own.

    Raises:
        ValueError: that is not of these parameters. A fused step on it would write past the ends of tensors.
    """
    optimizer.load_state_dict({"state": saved["state"], "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter in (parameter for group in optimizer.param_groups for parameter in group["params"]):
        learned = optimizer.state[parameter]
        shapes = {name: tuple(learned[name].shape) for name in ("exp_avg", "exp_avg_sq")} if learned else {}
        if any(shape != parameter.shape for shape in shapes.values()):
            raise ValueError(f"the optimizer's state of a parameter of {tuple(parameter.shape)} has {shapes}")


def new_state(config: RunConfig, device: torch.device) -> TrainingState:
    """A run before its first step; the initial weights follow from the seed."""
    torch.manual_seed(config.seed)
    method = build_method(config.network, config.loss, config.size)
    for domain in method.domains:
        domain.to(device)
    optimizers = tuple(build_optimizer(phase.parameters(), config.optimizer, device) for phase in method.phases)
    images_per_step = config.batch_size * config.accumulate
    return TrainingState(method, optimizers, averaged_copy(method.translation_paths()), images_per_step)


def build_optimizer(
    parameters: Iterable[nn.Parameter], settings: OptimizerConfig, device: torch.device
) -> torch.optim.Adam:
    """Adam, fused; on a GPU its learning rate is a tensor, which a CUDA graph can read anew in every replay."""
    on_gpu = device.type == "cuda"
    return torch.optim.Adam(
        parameters,
        lr=torch.tensor(settings.learning_rate, device=device) if on_gpu else settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        weight_decay=settings.weight_decay,
        fused=device.type in ("cpu", "cuda"),
        capturable=on_gpu,
    )


def checkpoint_name(step: int) -> str:
    """The folder of a step's checkpoint."""
    return f"{step:09d}"


def save_checkpoint(folder: Path, state: TrainingState) -> Path:
    """Write the state below `folder`, whole or not at all; returns where."""
    folder.mkdir(exist_ok=True)
    place = folder / checkpoint_name(state.step)
    beside = folder / f".{place.name}.{os.getpid()}"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors().items()}
        write_flushed(beside / "weights.safetensors", save(weights, metadata={"format_version": str(FORMAT_VERSION)}))
        write_memory(beside / "state.pt", state.memory())
        sums = {name: sha256_of(beside / name) for name in ("weights.safetensors", "state.pt")}
        write_flushed(beside / SUMS, (json.dumps(sums, indent=1) + "\n").encode())
        discard(place)  # the same step again, after a resume from before it
        beside.rename(place)
        sync_folder(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return place


def write_memory(path: Path, memory: dict[str, Any]) -> None:
    """Write with torch.save, which hides a full disk behind an error of its own."""
    with path.open("wb") as file:
        try:
            torch.save(memory, file)
        except RuntimeError as problem:
            raise problem.__context__ if isinstance(problem.__context__, OSError) else problem from None
        file.flush()
        os.fsync(file.fileno())


def check_sums(place: Path) -> None:
    """Whether a checkpoint's files are what was written; those of older formats have no sums.

    Raises:
        ValueError: a file is another one. OSError: a file cannot be read.
    """
    if not (place / SUMS).is_file():
        return
    for name, written in json.loads((place / SUMS).read_text(encoding="utf-8")).items():
        if sha256_of(place / name) != written:
            raise ValueError(f"{name} has changed since it was written: the disk, or whoever copied it, is at fault")


def load_checkpoint(place: Path, state: TrainingState) -> None:
    """Restore the state saved at `place`.

    Raises:
        CheckpointError: not a whole checkpoint, or one of another format or other networks.
    """
    try:
        check_sums(place)
        memory = torch.load(place / "state.pt", map_location="cpu", weights_only=True)
        if memory["format_version"] > FORMAT_VERSION:
            raise CheckpointError(f"{place} was written by a newer nicegan (format {memory['format_version']})")
        state.restore(load_file(place / "weights.safetensors"), memory)
        if state.step != int(place.name):
            raise ValueError(f"it says that it is of step {state.step}")
    except _UNREADABLE as problem:
        way_out = "remove its folder to go on from the one before"
        raise CheckpointError(f"checkpoint {place} cannot be read: {first_mistake(problem)}; {way_out}") from None


def point_to(pointer: Path, place: Path, why: str, **facts: Any) -> None:
    """Write `latest` or `best`: which checkpoint is which, and why."""
    content = {"checkpoint": f"{place.parent.name}/{place.name}", "step": int(place.name), "why": why, **facts}
    write_atomically(pointer, (json.dumps(content, indent=1) + "\n").encode())


def whole_checkpoints(folder: Path) -> list[Path]:
    """All checkpoints below `folder`, oldest first; unfinished ones have other names."""
    return sorted(path for path in folder.glob("*") if path.is_dir() and path.name.isdigit())


def standing(latest: Path, checkpoints: Path) -> Path | None:
    """Where a run goes on: at `latest`, or at the newest checkpoint if that pointer is lost; None for a new run."""
    return pointed_at(latest) or next(reversed(whole_checkpoints(checkpoints)), None)


def prune(folder: Path, keep: int, spared: set[Path | None]) -> None:
    """Remove all but the newest `keep` checkpoints and the spared ones."""
    for place in whole_checkpoints(folder)[:-keep]:
        if place not in spared:
            discard(place)


def discard(place: Path) -> None:
    """Remove a checkpoint so that no kill leaves half of it under its name."""
    if place.exists():
        aside = place.with_name(f".{place.name}.discarded")
        shutil.rmtree(aside, ignore_errors=True)
        place.rename(aside)
        shutil.rmtree(aside)


def sweep(folder: Path) -> None:
    """Remove what kills left of checkpoints that were being written or discarded."""
    for leftover in folder.glob(".*"):
        shutil.rmtree(leftover, ignore_errors=True)
