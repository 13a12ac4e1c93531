"""A domain of DRIT, and what both domains share."""

from __future__ import annotations

from torch import nn

from nicegan.methods.base import Domain, StyledPath
from nicegan.methods.drit.config import DRITNetwork
from nicegan.methods.drit.discriminators import DiscriminatorPair
from nicegan.methods.drit.encoders import ContentEncoder, GaussianStyleEncoder, PointStyleEncoder
from nicegan.methods.drit.generators import ConcatGenerator, MixingGenerator
from nicegan.nn.resnet import ResidualBlock
from nicegan.shapes import DOMAIN_NAMES, DomainName

StyleEncoders = PointStyleEncoder | GaussianStyleEncoder
Generators = MixingGenerator | ConcatGenerator


class DRITPath(StyledPath):
    """The networks of a domain that translate."""

    encoder: ContentEncoder
    style_encoder: StyleEncoders
    generator: Generators


class DRITDomain(Domain):
    """A domain of images with two encoders, `encoder` being that of contents, and two discriminators in one."""

    encoder: ContentEncoder
    style_encoder: StyleEncoders
    generator: Generators
    discriminator: DiscriminatorPair

    def __init__(self, name: DomainName, path: DRITPath, config: DRITNetwork) -> None:
        super().__init__(name)
        self.encoder, self.style_encoder, self.generator = path.encoder, path.style_encoder, path.generator
        self.discriminator = DiscriminatorPair(
            config.discriminator_channels, config.discriminator_layers, config.discriminator_scales
        )

    def translating(self) -> list[nn.Module]:
        """Return the networks that make translations; the style encoder is none of them."""
        return [self.encoder, self.generator]


def build_paths(config: DRITNetwork) -> dict[DomainName, DRITPath]:
    """Return both domains' networks that translate, with random weights; a shared block is one module in both."""
    width, style_features = 4 * config.base_channels, config.style_features
    num_own = config.blocks - 1
    last_of_encoders = ResidualBlock(width)
    if config.style_input == "mixed":
        return {
            name: DRITPath(
                ContentEncoder(config.base_channels, num_own, last_of_encoders),
                PointStyleEncoder(config.base_channels, style_features),
                MixingGenerator(config.base_channels, config.blocks, style_features),
            )
            for name in DOMAIN_NAMES
        }
    first_of_generators = ResidualBlock(width)
    return {
        name: DRITPath(
            ContentEncoder(config.base_channels, num_own, last_of_encoders),
            GaussianStyleEncoder(config.base_channels, style_features),
            ConcatGenerator(config.base_channels, num_own, style_features, first_of_generators),
        )
        for name in DOMAIN_NAMES
    }
