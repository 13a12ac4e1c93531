"""A domain of CUT."""

from __future__ import annotations

from nicegan.methods.base import Domain
from nicegan.methods.cut.config import CUTNetwork
from nicegan.methods.cut.networks import Discriminator, Encoder, Generator, PatchSampler
from nicegan.shapes import DomainName


class CUTDomain(Domain):
    """A domain with a sampler, which describes patches of its images and of their translations."""

    def __init__(self, name: DomainName, config: CUTNetwork) -> None:
        super().__init__(name)
        self.encoder = Encoder(config.base_channels)
        self.generator = Generator(config.base_channels, config.blocks)
        self.discriminator = Discriminator(config.discriminator_channels)
        self.sampler = PatchSampler(config.base_channels, config.patch_features)
