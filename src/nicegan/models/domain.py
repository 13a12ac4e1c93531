"""The one abstraction: a domain's encoder, generator and discriminator, and the NICE idea that two of them are one.

translate(image, source, target) = target.generator(source.encoder(image))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import nn

from nicegan.models.discriminator import Discriminator
from nicegan.models.encoder import Encoder
from nicegan.models.generator import Generator
from nicegan.shapes import Image, Reading

DomainName = Literal["A", "B"]
OTHER: Mapping[str, DomainName] = {"A": "B", "B": "A"}


class NiceDomain(nn.Module):
    """No independent component for encoding: the encoder *is* the discriminator's first layers."""

    def __init__(self, name: str, generator: Generator, discriminator: Discriminator) -> None:
        super().__init__()
        self.name = name
        self.generator = generator
        self.discriminator = discriminator

    @property
    def encoder(self) -> Encoder:
        return self.discriminator.encoder

    def read(self, image: Image) -> Reading:
        """Latent and verdict share their first layers."""
        return self.discriminator.read(image)


class IndependentDomain(nn.Module):
    """The ablation: an encoder of its own, and a discriminator that is thrown away after training."""

    def __init__(self, name: str, generator: Generator, discriminator: Discriminator, encoder: Encoder) -> None:
        super().__init__()
        self.name = name
        self.generator = generator
        self.discriminator = discriminator
        self.encoder = encoder

    def read(self, image: Image) -> Reading:
        return Reading(self.encoder(image), self.discriminator(image))


Domain = NiceDomain | IndependentDomain


class TranslationPath(nn.Module):
    """The two parts of a domain that translation needs; what is averaged during training and written to a model."""

    def __init__(self, encoder: Encoder, generator: Generator) -> None:
        super().__init__()
        self.encoder = encoder
        self.generator = generator


class TranslationPaths(nn.ModuleDict):
    """The path of each domain, as "A" and "B"."""

    def __getitem__(self, key: str) -> TranslationPath:
        path = super().__getitem__(key)
        assert isinstance(path, TranslationPath)
        return path


def translate(image: Image, source: Domain | TranslationPath, target: Domain | TranslationPath) -> Image:
    """Images of the source's domain, drawn as images of the target's. Source: NICE-GAN, figure 1."""
    return target.generator(source.encoder(image))
