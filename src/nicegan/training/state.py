"""Everything a run must remember between two steps, as one object."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, FiniteFloat, NonNegativeInt
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from nicegan.checkpoint import EMA_PREFIX, UNREADABLE, read_checkpoint, save_checkpoint, unreadable
from nicegan.config import OptimizerConfig
from nicegan.errors import CheckpointError
from nicegan.methods.base import Method, TranslationModel, unique_state
from nicegan.run_config import RunConfig
from nicegan.training.ema import averaged_copy

ADAM_STATES = 2  # tensors as large as the weights: running mean and running square


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
    contents: str = ""
    scored: str = ""
    num_worse: NonNegativeInt = 0
    best: tuple[NonNegativeInt, FiniteFloat] | None = None


@dataclass
class TrainingState:
    """A run between two steps."""

    method: Method
    optimizers: dict[str, Optimizer]  # by phase, without those that use another's
    ema: TranslationModel
    images_per_step: int  # of each domain, in one process
    step: int = 0
    samples_seen: int = 0  # images of each domain that all processes have trained on
    best: Best | None = None
    num_worse: int = 0  # scores since the best one
    rollbacks: int = 0
    streaks: dict[str, int] = field(default_factory=dict)  # logged steps in which a head's loss was that of guessing
    position: dict[str, Any] = field(default_factory=dict)  # in the data, where it does not follow from the step
    data: str = ""  # which training images, in which order of theirs
    contents: str = ""  # of the training images
    scored: str = ""  # which test images, and what scores them

    def tensors(self) -> dict[str, Tensor]:
        """Return all weights: "A.generator...", "average.A.generator..."."""
        averaged = {f"{EMA_PREFIX}{name}": tensor for name, tensor in unique_state(self.ema).items()}
        return unique_state(self.method) | averaged

    def state_dict(self) -> dict[str, Any]:
        """Return all that is not weights and is the same in every process."""
        return {
            "step": self.step,
            "drawn": self.samples_seen,
            "rollbacks": self.rollbacks,
            "streaks": self.streaks,
            "position": self.position,
            "data": self.data,
            "contents": self.contents,
            "scored": self.scored,
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "best": None if self.best is None else (self.best.step, self.best.score),
            "num_worse": self.num_worse,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def process_state(self) -> dict[str, Tensor]:
        """Return what this process alone remembers, on the CPU."""
        return {name: tensor.cpu() for name, tensor in self.method.process_state().items()}

    def load_state_dict(self, tensors: dict[str, Tensor], state: dict[str, Any], rank: int = 0) -> None:
        """Become the run that was saved.

        Args:
            tensors: as `tensors` returned them.
            state: as `state_dict` returned it, with "processes": what each process remembers besides.
            rank: of this process; one that was not there begins with nothing.
        """
        own = self.tensors()
        if {name: tensor.shape for name, tensor in own.items()} != {name: t.shape for name, t in tensors.items()}:
            raise CheckpointError("the checkpoint's weights are of other networks than the run's configuration says")
        facts = Facts.model_validate(state)
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(tensors[name])
        for name, saved in self._saved_optimizers(state["optimizers"]).items():
            load_optimizer(self.optimizers[name], saved)
        self.step = facts.step
        self.samples_seen = self.step * self.images_per_step if facts.drawn is None else facts.drawn
        self.rollbacks, self.streaks, self.num_worse = facts.rollbacks, facts.streaks, facts.num_worse
        self.position, self.data = facts.position, facts.data
        self.contents, self.scored = facts.contents, facts.scored
        self.best = None if facts.best is None else Best(*facts.best)
        processes = state.get("processes", [])
        self.method.load_process_state(processes[rank] if rank < len(processes) else {})
        torch.set_rng_state(state["random"])
        if torch.cuda.is_available() and state["random_cuda"]:
            torch.cuda.set_rng_state_all(state["random_cuda"][: torch.cuda.device_count()])

    def _saved_optimizers(self, saved: Any) -> dict[str, Any]:
        """Return the optimizers' states by phase; formats up to 3 listed them in the order of the phases."""
        if isinstance(saved, list):
            saved = dict(zip(self.optimizers, saved, strict=True))
        if saved.keys() != self.optimizers.keys():
            raise ValueError(f"it has optimizers of {', '.join(saved)}, not of {', '.join(self.optimizers)}")
        return saved


def load_optimizer(optimizer: Optimizer, saved: dict[str, Any]) -> None:
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


def total_bytes(tensors: Iterable[Tensor]) -> int:
    """Return the bytes of tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def new_state(config: RunConfig, device: torch.device) -> TrainingState:
    """Return a run before its first step; the initial weights follow from the seed."""
    torch.manual_seed(config.seed)
    method = config.method.build(config.size).to(device)
    optimizers: dict[str, Optimizer] = {
        phase.name: build_optimizer(phase.parameters(), config.method.optimizer_of(phase.name), device)
        for phase in method.phases
        if phase.optimizer_name() == phase.name
    }
    images_per_step = config.batch_size * config.accumulate
    return TrainingState(method, optimizers, averaged_copy(method.translation_model()), images_per_step)


def build_optimizer(parameters: Iterable[nn.Parameter], settings: OptimizerConfig, device: torch.device) -> Adam:
    """Return Adam, fused; on a GPU its learning rate is a tensor, which a CUDA graph can read anew in every replay."""
    on_gpu = device.type == "cuda"
    return Adam(
        parameters,
        lr=torch.tensor(settings.learning_rate, device=device) if on_gpu else settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        weight_decay=settings.weight_decay,
        fused=device.type in ("cpu", "cuda"),
        capturable=on_gpu,
    )


def save_state(folder: Path, state: TrainingState, processes: list[dict[str, Tensor]] | None = None) -> Path:
    """Write the state as a checkpoint below `folder`; return its path.

    Args:
        folder: the run's checkpoints.
        state: of the run.
        processes: what each process remembers besides, in order of rank; that of this one alone if None.
    """
    own = [state.process_state()] if processes is None else processes
    return save_checkpoint(folder, state.step, state.tensors(), {**state.state_dict(), "processes": own})


def load_state(path: Path, state: TrainingState, rank: int = 0) -> None:
    """Restore the state saved at `path`.

    Raises:
        CheckpointError: not a whole checkpoint, or one of another format or other networks.
    """
    try:
        tensors, saved = read_checkpoint(path)
        state.load_state_dict(tensors, saved, rank)
        if state.step != int(path.name):
            raise ValueError(f"it says that it is of step {state.step}")
    except UNREADABLE as problem:
        raise unreadable(path, problem) from None
