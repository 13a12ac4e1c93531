"""The settings of U-GAT-IT, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import tyro
from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from nicegan.config import FOR_CPUS, Frozen, MethodConfig, OptimizerConfig, Recipe, Size, SizeRule

if TYPE_CHECKING:
    from nicegan.methods.base import Method, TranslationModel
    from nicegan.methods.published import Published

NUM_DOWNS = 2  # stride-2 layers of a generator
Layers = Annotated[int, Field(ge=4, le=12)]


class UGATITNetwork(Frozen):
    """The networks of U-GAT-IT."""

    base_channels: Annotated[PositiveInt, Field(le=1024)] = 64
    """Channels of the first layer of generators and discriminators; they double with each halving of the map."""
    blocks: Annotated[PositiveInt, Field(le=64)] = 4
    """Residual blocks of an encoder, and of a generator."""
    summary: Literal["pooled", "flat"] = "pooled"
    """What a generator is steered by: averages of channels (the published option light), or every value of the map."""
    global_layers: Layers = 7
    """Layers of the discriminators that see all of an image."""
    local_layers: Layers = 5
    """Layers of the discriminators that see patches."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.local_layers > self.global_layers:
            raise ValueError(f"local_layers {self.local_layers} is more than global_layers {self.global_layers}")
        return self


class UGATITLoss(Frozen):
    """The weights of the losses."""

    adversarial: NonNegativeFloat = 1.0
    """Weight of the least-squares adversarial terms, in both phases."""
    cycle: NonNegativeFloat = 10.0
    """Weight of the cycle-consistency term."""
    identity: NonNegativeFloat = 10.0
    """Weight of the identity term: images of the target domain stay as they are."""
    cam: NonNegativeFloat = 1000.0
    """Weight of the encoders' classification: an image of the source, or one of the target?"""


class UGATIT(MethodConfig):
    """U-GAT-IT: unsupervised generative attentional networks with adaptive layer-instance normalisation."""

    title: ClassVar[str] = "U-GAT-IT"
    name: Annotated[Literal["ugatit"], tyro.conf.Suppress] = "ugatit"  # pyright: ignore[reportIncompatibleVariableOverride]
    network: UGATITNetwork = UGATITNetwork()
    loss: UGATITLoss = UGATITLoss()
    optimizer: OptimizerConfig = OptimizerConfig()

    def training_sizes(self) -> SizeRule:
        # Behind all halvings 3 pixels must be left: two layers of stride 1 take one each.
        return SizeRule(1 << NUM_DOWNS, 3 << (self.network.global_layers - 2))

    def translation_sizes(self, trained_at: Size) -> SizeRule:
        exact = trained_at if self.network.summary == "flat" else None
        return SizeRule(1 << NUM_DOWNS, 2 << NUM_DOWNS, exact, "use --resize" if exact else "use larger images")

    def summary(self) -> str:
        network = self.network
        return f"{network.base_channels} base channels, {network.blocks} blocks, {network.summary} summary"

    def build(self, size: Size) -> Method:
        from nicegan.methods.ugatit.build import build_method

        return build_method(self, size)

    def build_translation_model(self, size: Size) -> TranslationModel:
        from nicegan.methods.ugatit.build import build_translation_model

        return build_translation_model(self.network, size)

    @classmethod
    def recipes(cls) -> dict[str, Recipe]:
        network = UGATITNetwork(base_channels=16, blocks=2, global_layers=6, local_layers=4)
        tiny = cls(network=network, optimizer=OptimizerConfig(learning_rate=4e-4))
        return {
            "ugatit": Recipe(cls(), {}),
            "ugatit-full": Recipe(cls(network=UGATITNetwork(summary="flat")), {}),
            "ugatit-tiny": Recipe(tiny, {**FOR_CPUS, "steps": 450}),
        }

    @classmethod
    def tiny(cls) -> Self:
        return cls(network=UGATITNetwork(base_channels=4, blocks=1, global_layers=5, local_layers=4))

    @classmethod
    def read_published(cls, path: Path) -> Published | None:
        from nicegan.methods.ugatit.published import read_published

        return read_published(path)
