"""The settings of DRIT, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import tyro
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from nicegan.config import (
    FOR_CPUS,
    Frozen,
    MethodConfig,
    OptimizerConfig,
    Recipe,
    Size,
    SizeRule,
    next_multiple,
    smallest_for_scales,
)

if TYPE_CHECKING:
    from nicegan.methods.base import Method, TranslationModel
    from nicegan.methods.published import Published

NUM_DOWNS = 2  # halvings of a content encoder
SMALLEST_STYLE_SIDE = 16  # pixels of an image that has a style: the style encoder halves four times
CONTENT = "content_discriminator"  # the phase that has an optimizer of its own


class DRITNetwork(Frozen):
    """The networks of DRIT."""

    base_channels: Annotated[PositiveInt, Field(le=1024)] = 64
    """Channels of an encoder's first layer; they double with each halving of the map."""
    blocks: Annotated[PositiveInt, Field(le=64)] = 4
    """Residual blocks of a content encoder, of which both domains share the last, and of a generator."""
    style_input: Literal["mixed", "concatenated"] = "mixed"
    """How a style enters a generator: mixed into each block, or beside each layer's input (the published concat)."""
    style_features: Annotated[PositiveInt, Field(le=1024)] = 8
    """Numbers in a style."""
    discriminator_channels: Annotated[PositiveInt, Field(le=1024)] = 64
    """Channels of the first layer of a discriminator of images."""
    discriminator_layers: Annotated[PositiveInt, Field(le=8)] = 4
    """Halvings in a discriminator of images."""
    discriminator_scales: Annotated[PositiveInt, Field(le=6)] = 3
    """Networks of a discriminator of images: each sees half the pixels a side of the one before."""
    content_layers: Annotated[int, Field(ge=0, le=4)] = 3
    """Halvings in the discriminator of contents; 3 of them need images of 212 pixels a side."""


class DRITLoss(Frozen):
    """The weights of the losses."""

    adversarial: NonNegativeFloat = 1.0
    """Weight of the adversarial terms of images, in all phases."""
    content: NonNegativeFloat = 1.0
    """Weight of the adversarial terms of contents, in both phases; 0 leaves that discriminator without effect."""
    cross_cycle: NonNegativeFloat = 10.0
    """Weight of the term that images come back after their styles were exchanged twice."""
    reconstruction: NonNegativeFloat = 10.0
    """Weight of the term that an image comes back from its own content and style."""
    style_regression: NonNegativeFloat = 10.0
    """Weight of the term that a translation has the random style that it was made with."""
    style_kl: NonNegativeFloat = 0.01
    """Weight of the term that holds styles to N(0, 1)."""
    content_square: NonNegativeFloat = 0.01
    """Weight of the mean square of contents."""


class DRITOptimizer(OptimizerConfig):
    """Adam with the published settings: one for each phase, but one for both phases of encoders and generators."""

    content_learning_rate: PositiveFloat = 4e-5
    """Learning rate of the discriminator of contents."""
    content_gradient_norm: PositiveFloat = 5.0
    """Gradients of the discriminator of contents are scaled down to this norm if theirs is larger."""
    full_every: PositiveInt = 3
    """Every so many steps update all networks; the steps between update the discriminator of contents alone."""


class DRIT(MethodConfig):
    """DRIT: diverse image-to-image translation via disentangled representations (Lee et al., ECCV 2018)."""

    title: ClassVar[str] = "DRIT"
    name: Annotated[Literal["drit"], tyro.conf.Suppress] = "drit"  # pyright: ignore[reportIncompatibleVariableOverride]
    network: DRITNetwork = DRITNetwork()
    loss: DRITLoss = DRITLoss()
    optimizer: DRITOptimizer = DRITOptimizer()  # pyright: ignore[reportIncompatibleVariableOverride]

    def training_sizes(self) -> SizeRule:
        network = self.network
        of_images = smallest_for_scales(network.discriminator_layers, network.discriminator_scales)
        smallest, *others = (
            next_multiple(max(of_images, smallest_content(layers), SMALLEST_STYLE_SIDE), 1 << NUM_DOWNS)
            for layers in range(network.content_layers, -1, -1)
        )
        fewer = range(network.content_layers - 1, -1, -1)
        shallower = tuple(
            (f"network.content_layers {layers}", side) for layers, side in zip(fewer, others, strict=True)
        )
        way_out = "use larger images or fewer network.discriminator_scales"
        return SizeRule(1 << NUM_DOWNS, smallest, way_out=way_out, shallower=shallower)

    def translation_sizes(self, trained_at: Size) -> SizeRule:
        return SizeRule(1 << NUM_DOWNS, SMALLEST_STYLE_SIDE)

    def optimizer_of(self, phase: str) -> OptimizerConfig:
        own = self.optimizer
        if phase != CONTENT:
            return own
        limits = {"learning_rate": own.content_learning_rate, "max_gradient_norm": own.content_gradient_norm}
        return own.model_copy(update=limits)

    def summary(self) -> str:
        network = self.network
        return f"{network.base_channels} base channels, {network.blocks} blocks, {network.style_input} styles"

    def build(self, size: Size) -> Method:
        from nicegan.methods.drit.build import build_method

        return build_method(self)

    def build_translation_model(self, size: Size) -> TranslationModel:
        from nicegan.methods.drit.build import build_translation_model

        return build_translation_model(self.network)

    @classmethod
    def recipes(cls) -> dict[str, Recipe]:
        published = {"steps": 1_500_000, "image_size": 216, "crop_margin": 40, "batch_size": 2, "log_every": 12}
        network = DRITNetwork(
            base_channels=16, blocks=2, discriminator_channels=16, discriminator_scales=2, content_layers=1
        )
        tiny = cls(network=network, optimizer=DRITOptimizer(learning_rate=4e-4, content_learning_rate=1.6e-4))
        return {
            "drit": Recipe(cls(), published),
            "drit-concat": Recipe(cls(network=DRITNetwork(style_input="concatenated")), published),
            "drit-tiny": Recipe(tiny, {**FOR_CPUS, "steps": 1350, "log_every": 12}),
        }

    @classmethod
    def tiny(cls) -> Self:
        network = DRITNetwork(
            base_channels=4,
            blocks=1,
            discriminator_channels=4,
            discriminator_layers=3,
            discriminator_scales=2,
            content_layers=1,
        )
        return cls(network=network)

    @classmethod
    def read_published(cls, path: Path) -> Published | None:
        from nicegan.methods.drit.published import read_published

        return read_published(path)


def smallest_content(num_layers: int) -> int:
    """Return the smallest side of an image whose content leaves its discriminator a logit.

    The last layer takes 4x4 pixels; each before it makes n of 2 n + 3 (7x7, stride 2, one pixel of padding).
    """
    side = 4
    for _ in range(num_layers):
        side = 2 * side + 3
    return side << NUM_DOWNS
