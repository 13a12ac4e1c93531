"""A domain of U-GAT-IT."""

from __future__ import annotations

from nicegan.config import Size
from nicegan.methods.base import Domain
from nicegan.methods.ugatit.config import NUM_DOWNS, UGATITNetwork
from nicegan.methods.ugatit.networks import Discriminator, Encoder, Generator
from nicegan.nn.style import FlatSummary, PooledSummary
from nicegan.shapes import DomainName


class UGATITDomain(Domain):
    """The encoder of a domain's images, the generator that makes such images, and their discriminator."""

    encoder: Encoder
    generator: Generator
    discriminator: Discriminator

    def __init__(self, name: DomainName, config: UGATITNetwork, size: Size) -> None:
        super().__init__(name)
        self.encoder = Encoder(config.base_channels, config.blocks)
        self.generator = build_generator(config, size)
        self.discriminator = Discriminator(config.base_channels, config.global_layers, config.local_layers)


def build_generator(config: UGATITNetwork, size: Size) -> Generator:
    """Return a generator; with a flat summary it is for images of `size` only."""
    channels, (height, width) = config.base_channels << NUM_DOWNS, (side >> NUM_DOWNS for side in size)
    summary = PooledSummary(channels) if config.summary == "pooled" else FlatSummary(channels, height, width)
    return Generator(config.base_channels, config.blocks, summary)
