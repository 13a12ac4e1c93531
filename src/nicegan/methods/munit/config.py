"""The settings of MUNIT, without torch."""

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

NUM_DOWNS = 2  # halvings of a content encoder
SMALLEST_STYLE_SIDE = 16  # pixels of an image that has a style: the style encoder halves four times


class MUNITNetwork(DomainNetworks):
    """The networks of MUNIT."""

    base_channels: Annotated[PositiveInt, Field(le=1024)] = 64
    """Channels of an encoder's first layer; they double with each halving of the map."""
    blocks: Annotated[PositiveInt, Field(le=64)] = 4
    """Residual blocks of a content encoder, and of a generator."""
    style_features: Annotated[PositiveInt, Field(le=1024)] = 8
    """Numbers in a style."""
    mlp_features: Annotated[PositiveInt, Field(le=4096)] = 256
    """Width of the layers between a style and the scales and shifts that it becomes."""
    discriminator_channels: Annotated[PositiveInt, Field(le=1024)] = 64
    """Channels of a discriminator's first layer."""
    discriminator_layers: Annotated[PositiveInt, Field(le=8)] = 4
    """Halvings in a discriminator."""
    discriminator_scales: Annotated[PositiveInt, Field(le=6)] = 3
    """Discriminators of a domain: each sees half the pixels a side of the one before."""


class MUNITLoss(Frozen):
    """The weights of the losses."""

    adversarial: NonNegativeFloat = 1.0
    """Weight of the least-squares adversarial terms, in both phases."""
    reconstruction: NonNegativeFloat = 10.0
    """Weight of the term that an image comes back from its own content and style."""
    style: NonNegativeFloat = 1.0
    """Weight of the term that a translation has the style it was made with."""
    content: NonNegativeFloat = 1.0
    """Weight of the term that a translation has the content of its source."""
    cycle: NonNegativeFloat = 10.0
    """Weight of the cycle-consistency term; 0, as published for drawings of edges, saves its pass."""


class MUNITOptimizer(OptimizerConfig):
    """Adam, one for each phase, with the published settings."""

    schedule: Literal["linear", "halving", "constant"] = "halving"
    """linear: constant over the first half of the steps, then down to 0; halving: every halve_every steps."""


class MUNIT(MethodConfig):
    """MUNIT: multimodal unsupervised image-to-image translation (Huang et al., ECCV 2018)."""

    title: ClassVar[str] = "MUNIT"
    name: Annotated[Literal["munit"], tyro.conf.Suppress] = "munit"  # pyright: ignore[reportIncompatibleVariableOverride]
    network: MUNITNetwork = MUNITNetwork()
    loss: MUNITLoss = MUNITLoss()
    optimizer: MUNITOptimizer = MUNITOptimizer()  # pyright: ignore[reportIncompatibleVariableOverride]

    def training_sizes(self) -> SizeRule:
        smallest = smallest_for_scales(self.network.discriminator_layers, self.network.discriminator_scales)
        way_out = "use larger images or fewer network.discriminator_scales"
        return SizeRule(1 << NUM_DOWNS, max(smallest, SMALLEST_STYLE_SIDE), way_out=way_out)

    def translation_sizes(self, trained_at: Size) -> SizeRule:
        return SizeRule(1 << NUM_DOWNS, SMALLEST_STYLE_SIDE)

    def summary(self) -> str:
        network = self.network
        return (
            f"{network.base_channels} base channels, {network.blocks} blocks, {network.style_features} style features"
        )

    def build(self, size: Size) -> Method:
        from nicegan.methods.munit.build import build_method

        return build_method(self)

    def build_translation_model(self, size: Size) -> TranslationModel:
        from nicegan.methods.munit.build import build_translation_model

        return build_translation_model(self.network)

    @classmethod
    def recipes(cls) -> dict[str, Recipe]:
        narrow: dict[str, Any] = {"base_channels": 16, "blocks": 2, "mlp_features": 64, "discriminator_channels": 16}
        network = MUNITNetwork(**narrow, discriminator_scales=2)
        tiny = cls(network=network, optimizer=MUNITOptimizer(learning_rate=4e-4))
        return {
            "munit": Recipe(cls(), {"steps": 1_000_000}),
            "munit-tiny": Recipe(tiny, {**FOR_CPUS, "steps": 450}),
        }

    @classmethod
    def tiny(cls) -> Self:
        narrow: dict[str, Any] = {"base_channels": 4, "blocks": 1, "mlp_features": 8, "discriminator_channels": 4}
        return cls(network=MUNITNetwork(**narrow, discriminator_layers=3, discriminator_scales=2))

    @classmethod
    def read_published(cls, path: Path) -> Published | None:
        from nicegan.methods.munit.published import read_published

        return read_published(path)
