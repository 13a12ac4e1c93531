"""What every configuration is made of: frozen data, checked once at the border, without torch.

A field's description is its help text. The settings of a method live in its folder, those of a run in `run_config`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Self

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
)

if TYPE_CHECKING:
    from nicegan.methods.base import Method, TranslationModel
    from nicegan.methods.published import Published

INCEPTION = "inception"
FULL_LEVELS = (0, 65535)
Levels = tuple[int, int]  # the values of a 16-bit image that are black and white


def levels_of(value_range: str) -> Levels:
    """Return the levels that a value range names; those of "auto" are the full ones, until images tell."""
    if value_range in ("auto", "full"):
        return FULL_LEVELS
    low, _, high = value_range.partition(",")
    return int(low), int(high)


def _known_range(text: str) -> str:
    found = re.fullmatch(r"(\d+),(\d+)", text)
    if text not in ("auto", "full") and not (found and int(found[1]) < int(found[2]) <= FULL_LEVELS[1]):
        raise ValueError(f"{text!r} is no range: give auto, full or LOW,HIGH, such as 0,4095")
    return text


ValueRange = Annotated[str, AfterValidator(_known_range)]
Precision = Literal["auto", "float32", "tf32", "bfloat16"]
Size = tuple[int, int]  # height and width in pixels


def whole_path(path: Path) -> Path:
    """Return the path from the root on, so that a run can be resumed from anywhere.

    Raises:
        ValueError: its name is no text, so that no file could tell it.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f"the name {str(path)!r} is not valid UTF-8: rename it") from None
    return path.expanduser().absolute()


Folder = Annotated[Path, AfterValidator(whole_path)]
Features = Annotated[str, AfterValidator(lambda name: name if name == INCEPTION else str(whole_path(Path(name))))]
MAX_SIDE = 16384  # pixels
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
_URL = re.compile(r"[A-Za-z][\w+.:-]*://")


def is_url(location: str) -> bool:
    """Return whether this names something beyond the file system: "s3://...", "simplecache::https://..."."""
    return _URL.match(location) is not None


def _as_text(location: Any) -> Any:
    return os.fspath(location) if isinstance(location, Path) else location


def _absolute(location: str) -> str:
    return location if is_url(location) else str(whole_path(Path(location)))


Location = Annotated[str, BeforeValidator(_as_text), AfterValidator(_absolute)]  # a URL stays as it is


class Frozen(BaseModel):
    """Immutable, and strict about names: an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class SizeRule(NamedTuple):
    """Which image sizes a network takes.

    Args:
        multiple: both sides are multiples of it.
        smallest: of either side, in pixels.
        exact: the only height and width there is, if there is only one.
        way_out: what helps where no setting does: "use --resize".
        shallower: settings that take smaller sides, with their smallest: (("network.depth 6", 48), ...).
    """

    multiple: int
    smallest: int
    exact: Size | None = None
    way_out: str = "use larger images"
    shallower: tuple[tuple[str, int], ...] = ()

    def problem(self, size: Size) -> str | None:
        """Return why images of `size` cannot be taken, and the way out; None if they can."""
        text = as_size(size)
        if self.exact and size != self.exact:
            return f"{text} does not fit: these networks take {as_size(self.exact)} only; {self.way_out}"
        if min(size) < self.smallest:
            fits = [f"{setting} takes sides from {side} on" for setting, side in self.shallower if side <= min(size)]
            return f"{text} is too small (smallest side: {self.smallest}); {fits[0] if fits else self.way_out}"
        if any(side % self.multiple for side in size):
            return f"{text}: sides must be multiples of {self.multiple}; {as_size(self.padded(size))} would do"
        return None

    def padded(self, size: Size) -> Size:
        """Return the smallest size that can be taken and is at least `size`."""
        height, width = (max(next_multiple(side, self.multiple), self.smallest) for side in size)
        return height, width


def next_multiple(side: int, divisor: int) -> int:
    """Return the smallest multiple of `divisor` that is at least `side`."""
    return -(-side // divisor) * divisor


def smallest_for_scales(num_layers: int, num_scales: int) -> int:
    """Return the smallest side in pixels that leaves a logit to discriminators of an image, its half, its quarter ...

    Each has `num_layers` convolutions of 4x4 pixels, stride 2 and a padding of one pixel.
    """
    return ((1 << num_layers) - 1) * (1 << (num_scales - 1)) + 1


def as_size(size: Size) -> str:
    """Return "256x192": height, then width."""
    return f"{size[0]}x{size[1]}"


class OptimizerConfig(Frozen):
    """Adam, one for each phase, and how its learning rate changes over the run."""

    learning_rate: PositiveFloat = 1e-4
    """Learning rate of all phases."""
    beta1: Fraction = 0.5
    """Decay of the gradient's running mean."""
    beta2: Fraction = 0.999
    """Decay of the squared gradient's running mean."""
    weight_decay: NonNegativeFloat = 1e-4
    """L2 penalty, added to the gradient."""
    schedule: Literal["linear", "halving", "constant"] = "linear"
    """linear: constant over the first half of the steps, then down to 0; halving: every halve_every steps."""
    halve_every: PositiveInt = 100_000
    """Steps between two halvings; only with schedule halving."""
    max_gradient_norm: PositiveFloat | None = None
    """Gradients of a phase are scaled down to this norm if theirs is larger."""


class DomainNetworks(Frozen):
    """The settings of networks of which each of the two domains has its own."""

    initialization: Literal["independent", "equal"] = "independent"
    """Initial weights of the two domains' networks: random for each, as published, or the same in both, so that the two
    encoders agree from the first step on what a latent means."""


class Recipe(NamedTuple):
    """A preset: a method with its settings, and what it changes in the settings of a run."""

    method: MethodConfig
    run: Mapping[str, Any]


FOR_CPUS: Mapping[str, Any] = {  # what makes minutes on one core of a CPU enough
    "image_size": 64,
    "crop_margin": 6,
    "batch_size": 2,
    "num_threads": 1,
    "average_decay": 0.99,
    "sample_every": 150,
    "checkpoint_every": 150,
    "score_every": 200,
}


class MethodConfig(Frozen):
    """The settings of a method: a subclass adds `network`, `loss` and `optimizer`, and knows how to build from them."""

    title: ClassVar[str]
    """The method's name in tables and figures."""
    name: str
    optimizer: OptimizerConfig

    def training_sizes(self) -> SizeRule:
        """Return which sizes the method can be trained at."""
        raise NotImplementedError

    def translation_sizes(self, trained_at: Size) -> SizeRule:
        """Return which sizes a model that was trained at `trained_at` can translate."""
        raise NotImplementedError

    def optimizer_of(self, phase: str) -> OptimizerConfig:
        """Return the optimizer's settings of a phase."""
        return self.optimizer

    def canonical(self) -> Self:
        """Return these settings in the form that all settings of equal networks share (for ablations)."""
        return self

    def encoder_name(self) -> str:
        """Return what to call the encoder in analyses."""
        return self.title

    def summary(self) -> str:
        """Return the networks in a few words."""
        raise NotImplementedError

    def build(self, size: Size) -> Method:
        """Return the networks and phases, with random weights."""
        raise NotImplementedError

    def build_translation_model(self, size: Size) -> TranslationModel:
        """Return the networks of a trained model, with random weights."""
        raise NotImplementedError

    @classmethod
    def recipes(cls) -> dict[str, Recipe]:
        """Return the method's presets by name; the first is the paper's."""
        raise NotImplementedError

    @classmethod
    def tiny(cls) -> Self:
        """Return the method at the size of tests: every part of it, in a few thousand parameters."""
        raise NotImplementedError

    @classmethod
    def read_published(cls, path: Path) -> Published | None:
        """Return a checkpoint in the layout of the method's published code; None if it is in another layout.

        Raises:
            CheckpointError: a checkpoint of this method that is damaged or incomplete.
        """
        raise NotImplementedError


def first_mistake(problem: Exception) -> str:
    """Return what is wrong with content that makes no configuration, in a line: "network.blocks: Input should ..."."""
    text = str(problem)
    if isinstance(problem, ValidationError):
        wrong = problem.errors()[0]
        names = list(map(str, wrong["loc"]))
        if names[:1] == ["method"]:  # in a run's settings a method's own are called network.blocks, not method.name....
            names = names[2:]
        text, name = wrong["msg"].removeprefix("Value error, "), ".".join(names)
        if wrong["type"] == "union_tag_invalid":  # of the methods
            context = wrong.get("ctx", {})
            return f"there is no method {context.get('tag')!r} here; there is {context.get('expected_tags')}"
        if wrong["type"] in ("union_tag_not_found", "model_attributes_type") and names == []:
            return "method: give its settings with its name, {'name': ..., 'network': {...}}"
        if name and wrong["type"] != "value_error":  # our own checks name what they speak of
            text = f"{name}: {text}"
    return " ".join(text.split())
