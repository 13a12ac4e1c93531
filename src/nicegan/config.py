"""Configuration: frozen data, checked once at the border. The command line is made from these classes.

A field's description is its help text; a recipe (`nicegan.recipes`) is a set of defaults.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from nicegan import geometry

INCEPTION = "inception"
Head = Literal["cam", "local", "global"]
Player = Literal["discriminator", "generator", "both"]
Precision = Literal["auto", "float32", "tf32", "bfloat16"]


def whole_path(path: Path) -> Path:
    """From the root on, so that a run can be resumed from anywhere.

    Raises:
        ValueError: its name is no text, so that no file could tell it.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f"the name {str(path)!r} is not valid UTF-8: rename it") from None
    return path.absolute()


Folder = Annotated[Path, AfterValidator(whole_path)]
Features = Annotated[str, AfterValidator(lambda name: name if name == INCEPTION else str(whole_path(Path(name))))]
Side = Annotated[int, Field(ge=1, le=16384)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
_URL = re.compile(r"[A-Za-z][\w+.:-]*://")


def is_url(place: str) -> bool:
    """Whether this names something beyond the file system: "s3://...", "memory://...", "simplecache::https://..."."""
    return _URL.match(place) is not None


def _as_text(place: Any) -> Any:
    return os.fspath(place) if isinstance(place, Path) else place


def _absolute(place: str) -> str:
    return place if is_url(place) else str(whole_path(Path(place)))


Location = Annotated[str, BeforeValidator(_as_text), AfterValidator(_absolute)]  # a URL stays as it is


class Frozen(BaseModel):
    """Immutable, and strict about names: an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class NetworkConfig(Frozen):
    """The networks of NICE-GAN, and the switches of the paper's ablations."""

    base_channels: Annotated[PositiveInt, Field(le=1024)] = 64
    """Channels of the encoder's first layer and of the generator's last; every network scales with it."""
    blocks: Annotated[PositiveInt, Field(le=64)] = 6
    """Residual blocks in a generator (4 in NICE-GAN*)."""
    summary: Literal["pooled", "flat"] = "pooled"
    """Where the generator's style comes from: channel averages, or every value of the map (one image size only)."""
    depth: PositiveInt = 7
    """Layers of the discriminator; 7 needs images of 96 pixels a side, 6 of 48."""
    shared_layers: PositiveInt = 2
    """Layers of the discriminator that make the encoder."""
    encoder: Literal["reused", "independent"] = "reused"
    """Reuse the discriminator's first layers (NICE), or give each domain an encoder of its own."""
    attention: Literal["residual", "plain", "none"] = "residual"
    """How the class activation map acts on the encoder's features."""
    classifiers: tuple[Head, ...] = ("cam", "local", "global")
    """Which classifiers judge: any of cam, local, global."""
    encoder_trained_by: Player = "discriminator"
    """Who trains a reused encoder: the discriminator (decoupled, the paper), both (coupled), or the generator."""

    @property
    def has_patch_head(self) -> bool:
        """Whether a classifier judges the latent; the cam judges the features before the attention."""
        return "local" in self.classifiers or "global" in self.classifiers

    @property
    def attention_learns(self) -> bool:
        """Whether a loss reaches the attention of the discriminator's encoder. If not, a gate stays closed for ever."""
        trained_by_generator = self.encoder == "reused" and self.encoder_trained_by != "discriminator"
        return self.has_patch_head or trained_by_generator

    def check_sides(self, size: tuple[int, int]) -> None:
        """Whether the encoder can halve images of `size` (height, width) as often as it must.

        Raises:
            ValueError: it cannot; names the next size that would do.
        """
        unit = 1 << self.shared_layers
        if any(side % unit for side in size):
            up = "x".join(str(geometry.next_multiple(side, unit)) for side in size)
            raise ValueError(f"image_size {size[0]}x{size[1]}: sides must be multiples of {unit}; {up} would do")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.classifiers or len(set(self.classifiers)) != len(self.classifiers):
            raise ValueError("classifiers: name one or more of cam, local, global, each once")
        if self.depth < geometry.smallest_depth(self.shared_layers):
            smallest = geometry.smallest_depth(self.shared_layers)
            raise ValueError(
                f"depth {self.depth} leaves no room for {self.shared_layers} shared layers: use {smallest} or more"
            )
        if self.depth > 12:
            raise ValueError(f"depth {self.depth}: at most 12, which already needs images of 3072 pixels a side")
        if self.attention == "plain" and self.encoder == "reused" and not self.attention_learns:
            raise ValueError("attention plain with only the cam classifier: no loss reaches it; use residual or none")
        if self.encoder == "independent" and self.encoder_trained_by != "discriminator":
            raise ValueError(
                f"encoder_trained_by {self.encoder_trained_by} speaks of a reused encoder; an independent one is "
                "trained with the generators: leave it out"
            )
        return self


class LossConfig(Frozen):
    """The weights of the losses."""

    adversarial: NonNegativeFloat = 1.0
    """Weight of the least-squares adversarial terms, in both phases."""
    cycle: NonNegativeFloat = 10.0
    """Weight of the cycle-consistency term."""
    reconstruction: NonNegativeFloat = 10.0
    """Weight of the reconstruction term."""


class OptimizerConfig(Frozen):
    """Adam, one a phase. The learning rate is constant over the first half of the steps, then falls linearly to 0."""

    learning_rate: PositiveFloat = 1e-4
    """Learning rate of both phases."""
    beta1: Fraction = 0.5
    """Decay of the gradient's running mean."""
    beta2: Fraction = 0.999
    """Decay of the squared gradient's running mean."""
    weight_decay: NonNegativeFloat = 1e-4
    """L2 penalty, added to the gradient."""


class RunConfig(Frozen):
    """Everything that makes a training run what it is."""

    data: Folder | None = None
    """Folder that holds trainA, trainB, testA and testB: folders, lists (trainA.txt) or tar shards (trainA*.tar)."""
    domain_a: Location | None = None
    """Images of domain A, in place of a dataset folder: a folder, a list.txt, or tar shards, "a-{000..012}.tar"."""
    domain_b: Location | None = None
    """Images of domain B, in place of a dataset folder: a folder, a list.txt, or tar shards, "b-{000..012}.tar"."""
    skip_broken: bool = False
    """Train without the images that cannot be read, instead of refusing."""
    image_size: Side | tuple[Side, Side] = 256
    """Side of the training images in pixels, or height and width; multiples of 4."""
    crop_margin: Annotated[int, Field(ge=0)] = 30
    """Images are scaled to this much more than image_size, then cropped at random."""

    recipe: str = "nicegan"
    """The recipe these settings started from."""
    network: NetworkConfig = NetworkConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()

    steps: Annotated[int, Field(gt=0, le=10**9)] = 300_000
    """Training steps; one step updates both phases."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 1
    """Images of each domain that a process works on at a time."""
    accumulate: Annotated[int, Field(ge=1, le=4096)] = 1
    """Batches whose gradients are added up for one update: large batches in little memory."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the initial weights and of the data's order."""
    average_decay: Fraction = 0.999
    """Decay of the averaged (EMA) weights that the model is made of."""

    precision: Precision = "auto"
    """Arithmetic; auto means tf32 on an NVIDIA GPU and float32 elsewhere."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps ..."""
    num_threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """CPU threads; 0 takes all cores. Narrow networks gain little from a second, and lose much on a busy machine."""
    cuda_graphs: bool = True
    """On an NVIDIA GPU, record each phase as a CUDA graph and replay it: the same numbers, several times as fast."""
    deterministic: bool = False
    """Make a GPU's results repeatable to the bit, some operations slower; a CPU's always are."""
    log_every: PositiveInt = 10
    """Steps between lines of metrics.jsonl."""
    sample_every: PositiveInt = 1000
    """Steps between sample grids."""
    checkpoint_every: PositiveInt = 1000
    """Steps between checkpoints."""
    score_every: PositiveInt = 1000
    """Steps between scores; the best-scored checkpoint is kept, and becomes the model."""
    score: Literal["auto", "wasserstein", "kernel", "frechet"] = "auto"
    """What makes a checkpoint the best; auto is the kernel distance where features are given, else wasserstein."""
    features: Features | None = None
    """Feature network of the kernel and Frechet distance: inception (KID, FID), or a TorchScript file (KD, FD)."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Stop after this many scores in a row that are no better than the best; 0 never does."""
    keep: Annotated[int, Field(ge=1)] = 3
    """Checkpoints to keep, the newest ones; the best one stays as well."""
    on_nan: Literal["stop", "rollback"] = "stop"
    """When a loss or gradient is no finite number: stop, or go back to the last checkpoint and on with other images."""
    max_rollbacks: Annotated[int, Field(ge=1)] = 3
    """How often a run may go back before it stops."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the training images in pixels."""
        return (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size

    @property
    def load_size(self) -> tuple[int, int]:
        """Height and width that images are scaled to before the crop."""
        return self.size[0] + self.crop_margin, self.size[1] + self.crop_margin

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.score in ("kernel", "frechet") and self.features is None:
            raise ValueError(f"score {self.score} compares features: name their network with features")
        network, (height, width) = self.network, self.size
        network.check_sides(self.size)
        if problem := geometry.too_small(height, width, network.depth, network.shared_layers, network.classifiers):
            raise ValueError(f"image_size {problem.replace('use depth', 'use network.depth')}")
        return self


# On what a run's result does not depend: where it runs, and how often it reports.
CHANGES_NOTHING = frozenset(
    {"device", "num_threads", "cuda_graphs", "deterministic", "log_every", "sample_every", "checkpoint_every", "keep"}
)
# What a resumed run may change: not what it is, but how long it goes on, and how.
CHANGEABLE = CHANGES_NOTHING | {"steps", "accumulate", "score_every", "patience", "on_nan", "max_rollbacks"}


def differences(old: Frozen, new: Frozen, prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """The settings in which two configurations of one class differ: dotted name -> (old, new)."""
    found: dict[str, tuple[Any, Any]] = {}
    for name in type(old).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(before, Frozen) and isinstance(after, Frozen):
            found |= differences(before, after, f"{prefix}{name}.")
        elif before != after:
            found[prefix + name] = (before, after)
    return found


def first_mistake(problem: Exception) -> str:
    """What is wrong with content that makes no configuration, in one line: "network.blocks: Input should be ..."."""
    text = str(problem)
    if isinstance(problem, ValidationError):
        wrong = problem.errors()[0]
        text, place = wrong["msg"].removeprefix("Value error, "), ".".join(map(str, wrong["loc"]))
        if place and wrong["type"] != "value_error":  # our own checks name what they speak of
            text = f"{place}: {text}"
    return " ".join(text.split())
