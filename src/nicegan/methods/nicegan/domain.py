"""A domain of NICE-GAN: no independent component for encoding; and of its ablation, which has one."""

from __future__ import annotations

from nicegan.methods.base import Domain
from nicegan.methods.nicegan.discriminator import Discriminator, Reading
from nicegan.methods.nicegan.encoder import Encoder
from nicegan.methods.nicegan.generator import Generator
from nicegan.shapes import DomainName, Image


class NiceDomain(Domain):
    """No independent component for encoding: the encoder *is* the discriminator's first layers."""

    generator: Generator
    discriminator: Discriminator

    def __init__(self, name: DomainName, generator: Generator, discriminator: Discriminator) -> None:
        super().__init__(name)
        self.generator = generator
        self.discriminator = discriminator

    @property
    def encoder(self) -> Encoder:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.discriminator.encoder

    def read(self, image: Image) -> Reading:
        """Return latent and logits, whose first layers are the same."""
        return self.discriminator.read(image)


class IndependentDomain(Domain):
    """The ablation: an encoder of its own, and a discriminator that is thrown away after training."""

    encoder: Encoder
    generator: Generator
    discriminator: Discriminator

    def __init__(self, name: DomainName, generator: Generator, discriminator: Discriminator, encoder: Encoder) -> None:
        super().__init__(name)
        self.generator = generator
        self.discriminator = discriminator
        self.encoder = encoder

    def read(self, image: Image) -> Reading:
        """Return the latent of the domain's own encoder, and the discriminator's logits."""
        return Reading(self.encoder(image), self.discriminator(image))


AnyDomain = NiceDomain | IndependentDomain
