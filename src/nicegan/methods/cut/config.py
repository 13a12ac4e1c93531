"""The settings of CUT, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import tyro
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from nicegan.config import FOR_CPUS, Frozen, MethodConfig, OptimizerConfig, Recipe, Size, SizeRule

if TYPE_CHECKING:
    from nicegan.methods.base import Method, TranslationModel
    from nicegan.methods.published import Published

NUM_DOWNS = 2  # halvings of a generator's map
LAST_BLOCK = 5  # the residual block whose output is the last layer that patches are compared in
SMALLEST = 24  # pixels: a side of 20 leaves the discriminator no logit


class CUTNetwork(Frozen):
    """The networks of CUT."""

    base_channels: Annotated[PositiveInt, Field(le=1024)] = 64
    """Channels of a generator's first layer; they double with each halving of the map."""
    blocks: Annotated[int, Field(ge=LAST_BLOCK, le=64)] = 9
    """Residual blocks of a generator; patches are compared behind the first and the fifth."""
    discriminator_channels: Annotated[PositiveInt, Field(le=1024)] = 64
    """Channels of a discriminator's first layer."""
    patch_features: Annotated[PositiveInt, Field(le=4096)] = 256
    """Numbers that describe a patch."""


class CUTLoss(Frozen):
    """The weights of the losses, and how patches are compared."""

    adversarial: NonNegativeFloat = 1.0
    """Weight of the least-squares adversarial terms, in both phases."""
    contrastive: NonNegativeFloat = 0.5
    """Weight of the term that holds every patch of a translation to its own patch of the source."""
    identity: NonNegativeFloat = 0.5
    """Weight of the same term for images of the target domain, which should stay as they are."""
    temperature: PositiveFloat = 0.07
    """What similarities of patches are divided by."""
    patches: Annotated[PositiveInt, Field(le=65_536)] = 256
    """Patches of an image that are compared in each layer."""
    flip_equivariance: bool = False
    """As FastCUT: half of the sources are mirrored before they are translated, and there is no identity term."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.flip_equivariance and self.identity:
            raise ValueError("flip_equivariance has no identity term: set identity to 0")
        return self


class CUTOptimizer(OptimizerConfig):
    """Adam, one for each phase, with the published settings."""

    learning_rate: PositiveFloat = 2e-4
    """Learning rate of all phases."""
    weight_decay: NonNegativeFloat = 0.0
    """L2 penalty, added to the gradient."""


class CUT(MethodConfig):
    """CUT: contrastive learning for unpaired image-to-image translation (Park et al., ECCV 2020)."""

    title: ClassVar[str] = "CUT"
    name: Annotated[Literal["cut"], tyro.conf.Suppress] = "cut"  # pyright: ignore[reportIncompatibleVariableOverride]
    network: CUTNetwork = CUTNetwork()
    loss: CUTLoss = CUTLoss()
    optimizer: CUTOptimizer = CUTOptimizer()  # pyright: ignore[reportIncompatibleVariableOverride]

    def training_sizes(self) -> SizeRule:
        return SizeRule(1 << NUM_DOWNS, SMALLEST)

    def translation_sizes(self, trained_at: Size) -> SizeRule:
        return SizeRule(1 << NUM_DOWNS, 2 << NUM_DOWNS)

    def summary(self) -> str:
        return f"{self.network.base_channels} base channels, {self.network.blocks} blocks"

    def build(self, size: Size) -> Method:
        from nicegan.methods.cut.build import build_method

        return build_method(self)

    def build_translation_model(self, size: Size) -> TranslationModel:
        from nicegan.methods.cut.build import build_translation_model

        return build_translation_model(self.network)

    @classmethod
    def recipes(cls) -> dict[str, Recipe]:
        network = CUTNetwork(base_channels=16, blocks=LAST_BLOCK, discriminator_channels=16, patch_features=64)
        tiny = cls(network=network, optimizer=CUTOptimizer(learning_rate=4e-4))
        fast = CUTLoss(contrastive=10.0, identity=0.0, flip_equivariance=True)
        return {
            "cut": Recipe(cls(), {}),
            "fastcut": Recipe(cls(loss=fast), {}),
            "cut-tiny": Recipe(tiny, {**FOR_CPUS, "steps": 450}),
        }

    @classmethod
    def tiny(cls) -> Self:
        network = CUTNetwork(base_channels=4, blocks=LAST_BLOCK, discriminator_channels=4, patch_features=8)
        return cls(network=network, loss=CUTLoss(patches=16))

    @classmethod
    def read_published(cls, path: Path) -> Published | None:
        from nicegan.methods.cut.published import read_published

        return read_published(path)
