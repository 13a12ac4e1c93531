"""Everything that makes a training run what it is, and what of it a resumed run may change."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from nicegan.config import (
    Features,
    Folder,
    Fraction,
    Frozen,
    Location,
    MethodConfig,
    OptimizerConfig,
    Precision,
    Side,
    Size,
    ValueRange,
    is_url,
)
from nicegan.data.catalogue import WholeDatasetPath
from nicegan.methods.registry import DEFAULT_METHOD, AnyMethod

METHOD_GROUPS = ("network", "loss", "optimizer")  # where version 0.1.0 kept the settings of the one method it had


class Resumable:
    """Marks a field that a resumed run may change: not what the run is, but how long it goes on, and how."""


class NoEffect(Resumable):
    """Marks a field on which a run's result does not depend: where it computes, how often it reports."""


class MovablePath:
    """Marks a field that says where files are: they may have moved, but a run goes on with what they held."""


class RunConfig(Frozen):
    """Everything that makes a training run what it is."""

    data: Annotated[WholeDatasetPath | None, MovablePath()] = None
    """Folder that holds trainA, trainB, testA and testB: folders, lists (trainA.txt) or tar shards (trainA*.tar); or
    the name of a set that nicegan data get has fetched."""
    domain_a: Annotated[Location | None, MovablePath()] = None
    """Images of domain A, in place of a dataset folder: a folder, a list.txt, or tar shards, "a-{000..012}.tar"."""
    domain_b: Annotated[Location | None, MovablePath()] = None
    """Images of domain B, in place of a dataset folder: a folder, a list.txt, or tar shards, "b-{000..012}.tar"."""
    skip_broken: Annotated[bool, Resumable()] = False
    """Train without the images that cannot be read, instead of refusing."""
    image_size: Side | tuple[Side, Side] = 256
    """Side of the training images in pixels, or height and width; most networks take multiples of 4."""
    value_range: ValueRange = "auto"
    """Values of 16-bit images that are black and white: LOW,HIGH; full (0,65535); or auto, the bits that they use."""
    crop_margin: Annotated[int, Field(ge=0)] = 30
    """Images are scaled to this much more than image_size, then cropped at random."""

    recipe: str = "nicegan"
    """The recipe these settings started from."""
    method: AnyMethod = DEFAULT_METHOD

    start_from: Folder | None = None
    """A model, a run or a checkpoint (RUN@8000) of the same networks whose weights the run begins with."""
    steps: Annotated[int, Field(gt=0, le=10**9), Resumable()] = 300_000
    """Training steps; one step updates every phase."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 1
    """Images of each domain that a process works on at a time."""
    accumulate: Annotated[int, Field(ge=1, le=4096), Resumable()] = 1
    """Batches whose gradients are added up for one update: large batches in little memory."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the initial weights and of the data's order."""
    average_decay: Fraction = 0.999
    """Decay of the averaged (EMA) weights that the model is made of; at most (1 + t) / (10 + t) at step t, so that they
    follow the first steps."""

    precision: Annotated[Precision, Resumable()] = "auto"
    """Arithmetic; auto means bfloat16 on an NVIDIA GPU (tf32 on an old one) and float32 elsewhere."""
    device: Annotated[str, NoEffect()] = "auto"
    """auto, cpu, cuda, cuda:1, mps ..."""
    num_threads: Annotated[int, Field(ge=0, le=1024), NoEffect()] = 0
    """CPU threads; 0 takes all cores. Narrow networks gain little from a second, and lose much on a busy machine."""
    cuda_graphs: Annotated[bool, NoEffect()] = True
    """On an NVIDIA GPU, record each phase as a CUDA graph and replay it: the same numbers, several times as fast."""
    deterministic: Annotated[bool, NoEffect()] = False
    """Make a GPU's results repeatable to the bit, some operations slower; a CPU's always are."""
    log_every: Annotated[PositiveInt, NoEffect()] = 10
    """Steps between lines of metrics.jsonl."""
    sample_every: Annotated[PositiveInt, NoEffect()] = 1000
    """Steps between sample grids."""
    checkpoint_every: Annotated[PositiveInt, NoEffect()] = 1000
    """Steps between checkpoints."""
    score_every: Annotated[PositiveInt, Resumable()] = 1000
    """Steps between scores; the best-scored checkpoint is kept, and becomes the model."""
    score: Literal["auto", "wasserstein", "kernel", "frechet"] = "auto"
    """What makes a checkpoint the best; auto is the kernel distance where features are given, else wasserstein."""
    features: Annotated[Features | None, MovablePath()] = None
    """Feature network of the kernel and Frechet distance: inception (KID, FID), or a TorchScript file (KD, FD)."""
    patience: Annotated[int, Field(ge=0), Resumable()] = 0
    """Stop after this many scores in a row that are no better than the best; 0 never does."""
    keep: Annotated[int, Field(ge=1), NoEffect()] = 3
    """Checkpoints to keep, the newest ones; the best one stays as well."""
    on_nan: Annotated[Literal["stop", "rollback"], Resumable()] = "stop"
    """When a loss or gradient is no finite number: stop, or go back to the last checkpoint and on with other images."""
    max_rollbacks: Annotated[int, Field(ge=1), Resumable()] = 3
    """How often a run may go back before it stops."""

    @property
    def network(self) -> Any:
        """The method's settings of its networks."""
        return getattr(self.method, "network", None)

    @property
    def loss(self) -> Any:
        """The method's weights of its losses."""
        return getattr(self.method, "loss", None)

    @property
    def optimizer(self) -> OptimizerConfig:
        """The method's settings of its optimizers."""
        return self.method.optimizer

    @property
    def size(self) -> Size:
        """Height and width of the training images in pixels."""
        return (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size

    @property
    def load_size(self) -> Size:
        """Height and width that images are scaled to before the crop."""
        return self.size[0] + self.crop_margin, self.size[1] + self.crop_margin

    @model_validator(mode="before")
    @classmethod
    def _read_old_form(cls, content: Any) -> Any:
        """Read top-level network, loss and optimizer, as version 0.1.0 wrote them, into the method's settings."""
        if not isinstance(content, dict) or not any(group in content for group in METHOD_GROUPS):
            return content
        rest = {name: value for name, value in content.items() if name not in METHOD_GROUPS}
        groups = {name: content[name] for name in METHOD_GROUPS if name in content}
        method = rest.get("method", DEFAULT_METHOD)
        if isinstance(method, MethodConfig):
            method = method.model_dump()
        if not isinstance(method, dict):  # pydantic names the mistake
            return rest
        return {**rest, "method": {**method, **groups}}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.score in ("kernel", "frechet") and self.features is None:
            raise ValueError(f"score {self.score} compares features: name their network with features")
        if problem := self.method.training_sizes().problem(self.size):
            raise ValueError(f"image_size {problem}")
        return self


def _marked(kind: type) -> frozenset[str]:
    fields = RunConfig.model_fields.items()
    return frozenset(name for name, field in fields if any(isinstance(mark, kind) for mark in field.metadata))


NO_EFFECT = _marked(NoEffect)
RESUMABLE = _marked(Resumable)
MOVABLE = _marked(MovablePath)


def differences(old: Frozen, new: Frozen, prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Return the settings in which two configurations differ, by dotted name: "network.blocks" -> (old, new)."""
    if isinstance(old, MethodConfig) and isinstance(new, MethodConfig) and old.name != new.name:
        return {"method": (old.name, new.name)}
    found: dict[str, tuple[Any, Any]] = {}
    for name in type(old).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(before, Frozen) and isinstance(after, Frozen):
            found |= differences(before, after, "" if isinstance(before, MethodConfig) else f"{prefix}{name}.")
        elif name == "value_range" and "auto" in (before, after):
            continue  # auto is what the run's images say
        elif before != after and not (name in MOVABLE and _is_same_path(str(before), str(after))):
            found[prefix + name] = (before, after)
    return found


def _is_same_path(one: str, other: str) -> bool:
    """Return whether two locations are the same: by another spelling, or through links."""
    return not is_url(one) and os.path.realpath(one) == os.path.realpath(other)
