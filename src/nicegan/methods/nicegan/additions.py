"""What may be added to the training of NICE-GAN: each is off unless its setting is given, and has its own source."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nicegan.losses.gradient_penalty import r1
from nicegan.methods.base import Fakes, Noise, Phase, both_ways, frozen
from nicegan.methods.nicegan.domain import AnyDomain
from nicegan.nn import spectral
from nicegan.nn.conv import twice_differentiable, without_autocast
from nicegan.nn.diff_augment import DiffAugment
from nicegan.shapes import Batch, Image, Terms


class Draws(NamedTuple):
    """What one direction of a phase draws for the additions; nothing where they are off."""

    augmentation: Tensor | None = None


def of_directions(noise: Noise) -> tuple[Draws, Draws]:
    """Return the noise of a phase as that of A to B and of B to A."""
    middle = len(noise) // 2
    return Draws(*noise[:middle]), Draws(*noise[middle:])


class R1Phase(Phase):
    """Lazy regularisation (Karras et al., CVPR 2020): every so many steps, an update of the discriminators that makes
    their logits change less around real images; the generators are frozen."""

    domains: tuple[AnyDomain, AnyDomain]

    def __init__(  # noqa: PLR0913
        self,
        domains: tuple[AnyDomain, AnyDomain],
        learns: list[nn.Module],
        weight: float,
        *,
        every: int,
        augment: DiffAugment,
    ) -> None:
        super().__init__("r1", domains, learns, every=every)
        self.weight, self.augment = weight, augment

    def optimizer_name(self) -> str:
        return "discriminator"

    def noise(self, batch: Batch, rng: torch.Generator) -> Noise:
        """Return what the augmentation draws for the real images of each direction."""
        if not self.augment.transforms:
            return ()
        return tuple(self.augment.random_numbers(len(images), rng) for images in batch)

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        to_b, to_a = of_directions(noise)
        with frozen(self.frozen_parameters):  # both generators (and an encoder that the generators train)
            return both_ways(lambda: self.flatten(b, batch.b, to_b), lambda: self.flatten(a, batch.a, to_a))

    def flatten(self, domain: AnyDomain, real: Image, draws: Draws) -> Terms:
        """Return one domain: every * gamma / 2 * mean |dD(b)/db|^2, in float32."""
        shown = (
            self.augment(real, draws.augmentation).detach().requires_grad_().clone()
        )  # FlopCounterMode takes no leaf
        with twice_differentiable(), without_autocast(real):
            slope = r1(domain.discriminator(shown), shown)
        return {f"{domain.name}/slope": self.every * self.weight * slope}

    def after_update(self) -> None:
        """The weights have moved: one power iteration of every spectral norm."""
        for domain in self.domains:
            spectral.iterate(domain.discriminator)
