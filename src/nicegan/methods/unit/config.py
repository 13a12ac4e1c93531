"""The settings of UNIT, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import tyro
from pydantic import Field, NonNegativeFloat, PositiveInt

from nicegan.config import (
    FOR_CPUS,
    DomainNetworks,
    Frozen,
    MethodConfig,
    OptimizerConfig,
    Recipe,
    Size,
    SizeRule,
    smallest_for_scales,
)

if TYPE_CHECKING:
    from nicegan.methods.base import Method, TranslationModel
    from nicegan.methods.published import Published

NUM_DOWNS = 2  # halvings of an encoder


class UNITNetwork(DomainNetworks):
    """The networks of UNIT."""

    base_channels: Annotated[PositiveInt, Field(le=1024)] = 64
    """Channels of an encoder's first layer; they double with each halving of the map."""
    blocks: Annotated[PositiveInt, Field(le=64)] = 4
    """Residual blocks of an encoder, and of a generator."""
    discriminator_channels: Annotated[PositiveInt, Field(le=1024)] = 64
    """Channels of a discriminator's first layer."""
    discriminator_layers: Annotated[PositiveInt, Field(le=8)] = 4
    """Halvings in a discriminator."""
    discriminator_scales: Annotated[PositiveInt, Field(le=6)] = 3
    """Discriminators of a domain: each sees half the pixels a side of the one before."""


class UNITLoss(Frozen):
    """The weights of the losses."""

    adversarial: NonNegativeFloat = 1.0
    """Weight of the least-squares adversarial terms, in both phases."""
    reconstruction: NonNegativeFloat = 10.0
    """Weight of the term that an image comes back from its own latent."""
    kl: NonNegativeFloat = 0.01
    """Weight of the mean square of latents, which keeps them near noise."""
    cycle: NonNegativeFloat = 10.0
    """Weight of the cycle-consistency term."""
    kl_cycle: NonNegativeFloat = 0.01
    """Weight of the mean square of the latents of translations."""


class UNITOptimizer(OptimizerConfig):
    """Adam, one for each phase, with the published settings."""

    schedule: Literal["linear", "halving", "constant"] = "halving"
    """linear: constant over the first half of the steps, then down to 0; halving: every halve_every steps."""


class UNIT(MethodConfig):
    """UNIT: unsupervised image-to-image translation networks (Liu et al., NeurIPS 2017)."""

    title: ClassVar[str] = "UNIT"
    name: Annotated[Literal["unit"], tyro.conf.Suppress] = "unit"  # pyright: ignore[reportIncompatibleVariableOverride]
    network: UNITNetwork = UNITNetwork()
    loss: UNITLoss = UNITLoss()
    optimizer: UNITOptimizer = UNITOptimizer()  # pyright: ignore[reportIncompatibleVariableOverride]

    def training_sizes(self) -> SizeRule:
        smallest = smallest_for_scales(self.network.discriminator_layers, self.network.discriminator_scales)
        way_out = "use larger images or fewer network.discriminator_scales"
        return SizeRule(1 << NUM_DOWNS, max(smallest, 4 << NUM_DOWNS), way_out=way_out)

    def translation_sizes(self, trained_at: Size) -> SizeRule:
        return SizeRule(1 << NUM_DOWNS, 2 << NUM_DOWNS)

    def summary(self) -> str:
        return f"{self.network.base_channels} base channels, {self.network.blocks} blocks"

    def build(self, size: Size) -> Method:
        from nicegan.methods.unit.build import build_method

        return build_method(self)

    def build_translation_model(self, size: Size) -> TranslationModel:
        from nicegan.methods.unit.build import build_translation_model

        return build_translation_model(self.network)

    @classmethod
    def recipes(cls) -> dict[str, Recipe]:
        network = UNITNetwork(base_channels=16, blocks=2, discriminator_channels=16, discriminator_scales=2)
        tiny = cls(network=network, optimizer=UNITOptimizer(learning_rate=4e-4))
        return {
            "unit": Recipe(cls(), {"steps": 1_000_000}),
            "unit-tiny": Recipe(tiny, {**FOR_CPUS, "steps": 450}),
        }

    @classmethod
    def tiny(cls) -> Self:
        narrow: dict[str, Any] = {"base_channels": 4, "blocks": 1, "discriminator_channels": 4}
        return cls(network=UNITNetwork(**narrow, discriminator_layers=3, discriminator_scales=2))

    @classmethod
    def read_published(cls, path: Path) -> Published | None:
        from nicegan.methods.unit.published import read_published

        return read_published(path)
