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

    def read(self, image: Image, shown: Image | None = None) -> Reading:
        """Return the latent of an image and the logits of `shown`, what the discriminator sees of it: the same image in
        one pass, or an augmented one in a second."""
        if shown is None or shown is image:
            return self.discriminator.read(image)
        return Reading(self.encoder(image), self.discriminator(shown))


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

    def read(self, image: Image, shown: Image | None = None) -> Reading:
        """Return the latent of an image by the domain's own encoder, and the logits of `shown`, what the discriminator
        sees of it: the same image, or an augmented one."""
        return Reading(self.encoder(image), self.discriminator(image if shown is None else shown))


AnyDomain = NiceDomain | IndependentDomain
