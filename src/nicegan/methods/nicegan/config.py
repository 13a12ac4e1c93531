"""The settings of NICE-GAN, without torch: its networks, the switches of the paper's ablations, and its losses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import tyro
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from nicegan.config import FOR_CPUS, DomainNetworks, Frozen, MethodConfig, OptimizerConfig, Recipe, Size, SizeRule
from nicegan.methods.nicegan import geometry

if TYPE_CHECKING:
    from nicegan.methods.base import Method, TranslationModel
    from nicegan.methods.published import Published

Head = Literal["cam", "local", "global"]
Augmentation = Literal["translation", "cutout"]
Downsample = Literal["strided", "blurred"]
Player = Literal["discriminator", "generator", "both"]
SMALLEST_TRANSLATED = 16  # pixels; smaller images are padded to this


class NiceGANNetwork(DomainNetworks):
    """The networks of NICE-GAN, and the switches of the paper's ablations."""

    base_channels: Annotated[PositiveInt, Field(le=1024)] = 64
    """Channels of the encoder's first layer and of the generator's last; every network scales with it."""
    blocks: Annotated[PositiveInt, Field(le=64)] = 6
    """Residual blocks in a generator (4 in NICE-GAN*)."""
    summary: Literal["pooled", "flat"] = "pooled"
    """Where the generator's style comes from: channel averages, or every value of the map (one image size only)."""
    upsample: Literal["subpixel", "icnr", "nearest", "bilinear"] = "subpixel"
    """How a generator doubles the side: channels that become pixels, as published (icnr: they begin equal), or a map
    enlarged by repeated pixels or bilinearly before its convolution."""
    downsample: Downsample = "strided"
    """How discriminators and encoders halve the side: by convolutions of stride 2, as published, or of stride 1 with a
    blur behind them, against aliasing, at four times their arithmetic (Zhang, ICML 2019)."""
    depth: PositiveInt = 7
    """Layers of the discriminator; 7 needs images of 96 pixels a side, 6 of 48."""
    shared_layers: PositiveInt = 2
    """Layers of the discriminator that make the encoder."""
    encoder: Literal["reused", "independent"] = "reused"
    """Reuse the discriminator's first layers (NICE), or give each domain an encoder of its own."""
    attention: Literal["residual", "plain", "none"] = "residual"
    """How the class activation map acts on the encoder's features."""
    classifiers: tuple[Head, ...] = ("cam", "local", "global")
    """Which heads the discriminator has: any of cam, local, global."""
    encoder_trained_by: Player = "discriminator"
    """Who trains a reused encoder: the discriminator (decoupled, the paper), both (coupled), or the generator."""

    @property
    def has_patch_head(self) -> bool:
        """Whether a head reads the latent; the cam reads the features before the attention."""
        return "local" in self.classifiers or "global" in self.classifiers

    @property
    def attention_learns(self) -> bool:
        """Whether a loss reaches the attention of the discriminator's encoder. If not, a gate stays closed for ever."""
        trained_by_generator = self.encoder == "reused" and self.encoder_trained_by != "discriminator"
        return self.has_patch_head or trained_by_generator

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


class NiceGANLoss(Frozen):
    """The weights of the losses, and what may be added to them."""

    adversarial: NonNegativeFloat = 1.0
    """Weight of the least-squares adversarial terms, in both phases."""
    cycle: NonNegativeFloat = 10.0
    """Weight of the cycle-consistency term."""
    reconstruction: NonNegativeFloat = 10.0
    """Weight of the reconstruction term."""
    augment: tuple[Augmentation, ...] = ()
    """How real images and fakes are augmented before a discriminator sees them, in both phases: any of translation,
    cutout (DiffAugment: Zhao et al., NeurIPS 2020). What is translated is not augmented."""
    r1: NonNegativeFloat = 0.0
    """Weight gamma of the penalty gamma / 2 |dD(x)/dx|^2 at real images x (R1: Mescheder et al., ICML 2018), where D is
    the sum over heads of the mean logit; 0 leaves it out."""
    r1_every: PositiveInt = 16
    """Steps from one update by the penalty to the next, which counts that many times (lazy regularisation: Karras et
    al., CVPR 2020); only with r1."""
    lecam: NonNegativeFloat = 0.0
    """Weight of the term that holds logits of real images to the running mean of those of fakes, and the reverse, for
    small data sets (LeCam: Tseng et al., CVPR 2021); 0 leaves it out."""
    final_consistency: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the weights of cycle and reconstruction that is left at the end: they fall linearly over the run (Wang
    and Lin, "... with better cycles", 2018). More steps stretch the fall."""
    contrastive: NonNegativeFloat = 0.0
    """Weight of the term that holds every patch of a translation to its own patch of the source, in the latents of the
    two encoders (PatchNCE: Park et al., ECCV 2020); 0 leaves it out."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len(set(self.augment)) != len(self.augment):
            raise ValueError("augment: name any of translation, cutout, each once")
        return self


class NiceGANOptimizer(OptimizerConfig):
    """Adam, one for each phase."""

    discriminator_learning_rate: PositiveFloat | None = None
    """Learning rate of the discriminators with the encoders in them, if not that of the generators: the two time-scale
    update rule (Heusel et al., NeurIPS 2017)."""


class NiceGAN(MethodConfig):
    """NICE-GAN: reusing discriminators for encoding (Chen et al., CVPR 2020)."""

    title: ClassVar[str] = "NICE-GAN"
    name: Annotated[Literal["nicegan"], tyro.conf.Suppress] = "nicegan"  # pyright: ignore[reportIncompatibleVariableOverride]
    network: NiceGANNetwork = NiceGANNetwork()
    loss: NiceGANLoss = NiceGANLoss()
    optimizer: NiceGANOptimizer = NiceGANOptimizer()  # pyright: ignore[reportIncompatibleVariableOverride]

    def training_sizes(self) -> SizeRule:
        network = self.network
        smallest = geometry.smallest_side(network.depth, network.shared_layers, network.classifiers)
        depths = range(network.depth - 1, geometry.smallest_depth(network.shared_layers) - 1, -1)
        shallower = [
            (f"network.depth {depth}", geometry.smallest_side(depth, network.shared_layers, network.classifiers))
            for depth in depths
        ]
        way_out = "use larger images or fewer network.classifiers"
        return SizeRule(1 << network.shared_layers, smallest, way_out=way_out, shallower=tuple(shallower))

    def translation_sizes(self, trained_at: Size) -> SizeRule:
        unit = 1 << self.network.shared_layers
        exact = trained_at if self.network.summary == "flat" else None
        smallest = max(SMALLEST_TRANSLATED, geometry.SMALLEST_LATENT_SIDE * unit)
        return SizeRule(unit, smallest, exact, "use --resize" if exact else "use larger images")

    def optimizer_of(self, phase: str) -> OptimizerConfig:
        own = self.optimizer
        if own.discriminator_learning_rate is None or phase == "generator":
            return own
        return own.model_copy(update={"learning_rate": own.discriminator_learning_rate})

    def canonical(self) -> Self:
        """Name an attention that no loss reaches "none": the builder leaves it out."""
        if self.network.encoder == "independent" or self.network.attention_learns:
            return self
        return self.model_copy(update={"network": self.network.model_copy(update={"attention": "none"})})

    def encoder_name(self) -> str:
        return {"reused": "NICE", "independent": "independent encoder"}[self.network.encoder]

    def summary(self) -> str:
        network = self.network
        return (
            f"{network.base_channels} base channels, {network.blocks} blocks, depth {network.depth}, "
            f"{network.shared_layers} shared, {network.summary} summary"
        )

    def build(self, size: Size) -> Method:
        from nicegan.methods.nicegan.build import build_method

        return build_method(self, size)

    def build_translation_model(self, size: Size) -> TranslationModel:
        from nicegan.methods.nicegan.build import build_translation_model

        return build_translation_model(self.network, size)

    @classmethod
    def recipes(cls) -> dict[str, Recipe]:
        tiny = cls(
            network=NiceGANNetwork(
                base_channels=16, blocks=4, depth=6, shared_layers=1, upsample="nearest", initialization="equal"
            ),
            optimizer=NiceGANOptimizer(learning_rate=1e-3),
        )
        small = cls(
            network=NiceGANNetwork(base_channels=32, blocks=4, upsample="nearest", initialization="equal"),
            optimizer=NiceGANOptimizer(learning_rate=4e-4),
        )
        often = {"sample_every": 500, "checkpoint_every": 500, "score_every": 500}
        return {
            "nicegan": Recipe(cls(), {}),
            "nicegan-star": Recipe(cls(network=NiceGANNetwork(blocks=4)), {}),
            "nicegan-full": Recipe(cls(network=NiceGANNetwork(summary="flat")), {}),
            "nicegan-small": Recipe(small, {"image_size": 128, "crop_margin": 12, "steps": 20_000, **often}),
            "nicegan-tiny": Recipe(tiny, {**FOR_CPUS, "steps": 450}),
        }

    @classmethod
    def tiny(cls) -> Self:
        return cls(network=NiceGANNetwork(base_channels=4, blocks=1, depth=6))

    @classmethod
    def read_published(cls, path: Path) -> Published | None:
        from nicegan.methods.nicegan.published import read_published

        return read_published(path)
