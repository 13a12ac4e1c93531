"""The settings of CycleGAN, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import tyro
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from nicegan.config import FOR_CPUS, Frozen, MethodConfig, OptimizerConfig, Recipe, Size, SizeRule

if TYPE_CHECKING:
    from nicegan.methods.base import Method, TranslationModel
    from nicegan.methods.published import Published

NUM_DOWNS = 2  # stride-2 layers of a generator
DISCRIMINATOR_LAYERS = 3  # stride-2 layers of a PatchGAN with a receptive field of 70 pixels


class CycleGANNetwork(Frozen):
    """The networks of CycleGAN."""

    base_channels: Annotated[PositiveInt, Field(le=1024)] = 64
    """Channels of a generator's first layer; they double with each halving of the map."""
    blocks: Annotated[PositiveInt, Field(le=64)] = 9
    """Residual blocks of a generator; the paper takes 6 for images of 128 pixels."""
    discriminator_channels: Annotated[PositiveInt, Field(le=1024)] = 64
    """Channels of a discriminator's first layer."""
    pool_size: Annotated[int, Field(ge=0, le=10_000)] = 50
    """Earlier fakes of each domain that the discriminators see again; 0 shows them the newest only."""


class CycleGANLoss(Frozen):
    """The weights of the losses."""

    adversarial: NonNegativeFloat = 1.0
    """Weight of the least-squares adversarial terms, in both phases."""
    cycle: NonNegativeFloat = 10.0
    """Weight of the cycle-consistency term."""
    identity: NonNegativeFloat = 5.0
    """Weight of the identity term: images of the target domain stay as they are (half the cycle's, as published)."""


class CycleGANOptimizer(OptimizerConfig):
    """Adam, one for each phase, with the published settings."""

    learning_rate: PositiveFloat = 2e-4
    """Learning rate of all phases."""
    weight_decay: NonNegativeFloat = 0.0
    """L2 penalty, added to the gradient."""


class CycleGAN(MethodConfig):
    """CycleGAN: unpaired translation with cycle-consistent adversarial networks (Zhu et al., ICCV 2017)."""

    title: ClassVar[str] = "CycleGAN"
    name: Annotated[Literal["cyclegan"], tyro.conf.Suppress] = "cyclegan"  # pyright: ignore[reportIncompatibleVariableOverride]
    network: CycleGANNetwork = CycleGANNetwork()
    loss: CycleGANLoss = CycleGANLoss()
    optimizer: CycleGANOptimizer = CycleGANOptimizer()  # pyright: ignore[reportIncompatibleVariableOverride]

    def training_sizes(self) -> SizeRule:
        # A side of 24 leaves 3 pixels after the stride-2 layers, and one logit after the two layers of stride 1.
        return SizeRule(1 << NUM_DOWNS, 3 << DISCRIMINATOR_LAYERS)

    def translation_sizes(self, trained_at: Size) -> SizeRule:
        return SizeRule(1 << NUM_DOWNS, 2 << NUM_DOWNS)

    def summary(self) -> str:
        return f"{self.network.base_channels} base channels, {self.network.blocks} blocks"

    def build(self, size: Size) -> Method:
        from nicegan.methods.cyclegan.build import build_method

        return build_method(self)

    def build_translation_model(self, size: Size) -> TranslationModel:
        from nicegan.methods.cyclegan.build import build_translation_model

        return build_translation_model(self.network)

    @classmethod
    def recipes(cls) -> dict[str, Recipe]:
        tiny = cls(
            network=CycleGANNetwork(base_channels=16, blocks=4, discriminator_channels=16),
            optimizer=CycleGANOptimizer(learning_rate=4e-4),
        )
        return {
            "cyclegan": Recipe(cls(), {}),
            "cyclegan-tiny": Recipe(tiny, {**FOR_CPUS, "steps": 450}),
        }

    @classmethod
    def tiny(cls) -> Self:
        return cls(network=CycleGANNetwork(base_channels=4, blocks=1, discriminator_channels=4, pool_size=3))

    @classmethod
    def read_published(cls, path: Path) -> Published | None:
        from nicegan.methods.cyclegan.published import read_published

        return read_published(path)
