"""A domain of MUNIT."""

from __future__ import annotations

from nicegan.methods.base import Domain, StyledPath
from nicegan.methods.munit.config import MUNITNetwork
from nicegan.methods.munit.networks import Generator
from nicegan.nn.content_encoder import ContentEncoder
from nicegan.nn.multi_scale import MultiScaleDiscriminator
from nicegan.nn.style_encoder import StyleEncoder
from nicegan.shapes import DomainName


class MUNITDomain(Domain):
    """A domain of images with two encoders: `encoder` is that of contents, which both domains share."""

    encoder: ContentEncoder
    generator: Generator
    discriminator: MultiScaleDiscriminator

    def __init__(self, name: DomainName, config: MUNITNetwork) -> None:
        super().__init__(name)
        self.encoder = ContentEncoder(config.base_channels, config.blocks)
        self.style_encoder = StyleEncoder(config.base_channels, config.style_features)
        self.generator = build_generator(config)
        self.discriminator = MultiScaleDiscriminator(
            config.discriminator_channels, config.discriminator_layers, config.discriminator_scales
        )

    def path(self) -> StyledPath:
        """Return the domain's networks without its discriminator."""
        return StyledPath(self.encoder, self.style_encoder, self.generator)


def build_generator(config: MUNITNetwork) -> Generator:
    """Return a generator with random weights."""
    return Generator(config.base_channels, config.blocks, config.style_features, config.mlp_features)
