"""NICE-GAN's training, decoupled by construction (Chen et al., CVPR 2020).

The encoder is part of the discriminator, so its parameters are registered in `DiscriminatorPhase` and in no other: it
learns while the adversarial loss is maximised, and is frozen while the generators minimise. What `additions` may add is
off in the paper's step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nicegan.losses import lsgan
from nicegan.losses.consistency import l1
from nicegan.methods.base import Fakes, Noise, Phase, both_ways, frozen
from nicegan.methods.nicegan.additions import NUM_PATCHES, LogitMeans, PhaseInputs, contrast, of_directions
from nicegan.methods.nicegan.domain import AnyDomain
from nicegan.nn import spectral
from nicegan.nn.diff_augment import DiffAugment
from nicegan.shapes import Batch, Image, Terms

NO_AUGMENTATION = DiffAugment()


class LossWeights(NamedTuple):
    """The weight of each kind of term; `adversarial` weighs the terms of both phases.

    Those of `cycle` and `reconstruction` fall linearly to the share `final_consistency` at the end of the run.
    """

    adversarial: float = 1.0
    cycle: float = 10.0
    reconstruction: float = 10.0
    lecam: float = 0.0
    contrastive: float = 0.0
    final_consistency: float = 1.0


class DiscriminatorPhase(Phase):
    """Classifiers and encoder learn to separate real images from fakes; the generators are frozen."""

    domains: tuple[AnyDomain, AnyDomain]

    def __init__(  # noqa: PLR0913
        self,
        domains: tuple[AnyDomain, AnyDomain],
        learns: list[nn.Module],
        weights: LossWeights,
        augment: DiffAugment = NO_AUGMENTATION,
        logit_means: Mapping[str, LogitMeans] | None = None,
    ) -> None:
        super().__init__("discriminator", domains, learns)
        self.weights, self.augment, self.logit_means = weights, augment, dict(logit_means or {})

    def noise(self, batch: Batch, rng: torch.Generator) -> Noise:
        """Return the random numbers of the augmentation for real images and fakes of each direction."""
        if not self.augment.transforms:
            return ()
        return tuple(self.augment.random_numbers(2 * len(images), rng) for images in batch)

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        to_b, to_a = of_directions(noise)
        with frozen(self.frozen_parameters):  # both generators (and an encoder that the generators train)
            return both_ways(
                lambda: self.separate(a, b, batch.a, batch.b, to_b),
                lambda: self.separate(b, a, batch.b, batch.a, to_a),
            )

    def separate(self, source: AnyDomain, target: AnyDomain, image: Image, real: Image, extra: PhaseInputs) -> Terms:
        """Return one direction: sum over k of mean (D_k(b) - 1)^2 + mean D_k(G_B(E_A(a)))^2."""
        with torch.no_grad():
            fake = target.generator(source.encoder(image))
        shown = self.augment(torch.cat([real, fake]), extra.augmentation)
        logits = target.discriminator(shown)
        losses = lsgan.separate(logits)
        terms = {f"{target.name}/{head}": self.weights.adversarial * loss for head, loss in losses.items()}
        if self.logit_means:
            terms[f"{target.name}/lecam"] = self.weights.lecam * self.logit_means[target.name](logits)
        return terms

    def after_update(self) -> None:
        """The weights have moved: one power iteration of every spectral norm; and so have the means of logits."""
        for domain in self.domains:
            spectral.iterate(domain.discriminator)
        for means in self.logit_means.values():
            means.update()

    def running_means(self) -> list[Tensor]:
        return [of_domain.means for of_domain in self.logit_means.values()]

    def chance_losses(self) -> dict[str, float]:
        """Return each head's loss when it says 1/2 to everything."""
        loss = self.weights.adversarial * lsgan.CHANCE_LOSS
        return {f"{domain.name}/{head}": loss for domain in self.domains for head in domain.discriminator.head_names}


class GeneratorPhase(Phase):
    """Generators learn to fool, to come back and to rebuild; encoder and classifiers are frozen."""

    domains: tuple[AnyDomain, AnyDomain]

    def __init__(
        self,
        domains: tuple[AnyDomain, AnyDomain],
        learns: list[nn.Module],
        weights: LossWeights,
        augment: DiffAugment = NO_AUGMENTATION,
    ) -> None:
        super().__init__("generator", domains, learns)
        self.weights, self.augment = weights, augment

    def noise(self, batch: Batch, rng: torch.Generator) -> Noise:
        """Return the `PhaseInputs` of each direction in turn; () if nothing is added to the step of the paper."""
        weights = self.weights
        if not (self.augment.transforms or weights.contrastive or weights.final_consistency < 1):
            return ()
        return tuple(of_direction for images in batch for of_direction in self.one_direction(images, rng))

    def one_direction(self, images: Image, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return the tensors of the `PhaseInputs` of one direction."""
        num_pixels = images[0, 0].numel() >> 2 * len(self.domains[0].encoder.layers)
        return (
            self.augment.random_numbers(len(images), rng),
            torch.randperm(num_pixels, generator=rng)[:NUM_PATCHES],
            torch.tensor(1 - (1 - self.weights.final_consistency) * self.progress),
        )

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        to_b, to_a = of_directions(noise)
        with frozen(self.frozen_parameters):  # both encoders with their discriminators: the decoupling of the paper
            return both_ways(lambda: self.one_way(a, b, batch.a, to_b), lambda: self.one_way(b, a, batch.b, to_a))

    def one_way(self, source: AnyDomain, target: AnyDomain, image: Image, extra: PhaseInputs) -> Terms:
        """One direction: sum over k of mean (D_k(G_B(E_A(a))) - 1)^2, |G_A(E_B(G_B(E_A(a)))) - a|, |G_A(E_A(a)) - a|"""
        latent = source.encoder(image)  # no graph: the encoder is frozen here
        fake = target.generator(latent)
        reading = target.read(fake, self.augment(fake, extra.augmentation))
        cycled, rebuilt = source.generator(torch.cat([reading.latent, latent])).chunk(2)
        terms = {
            f"{target.name}/{head}": self.weights.adversarial * lsgan.toward_real(logits)
            for head, logits in reading.logits.items()
        }
        if self.weights.contrastive:
            nce = contrast(reading.latent, latent, extra.pixels)
            terms[f"{target.name}/contrastive"] = self.weights.contrastive * nce
        return terms | {
            f"{source.name}/cycle": self.weights.cycle * extra.consistency * l1(cycled, image),
            f"{source.name}/reconstruction": self.weights.reconstruction * extra.consistency * l1(rebuilt, image),
        }

    def after_update(self) -> None:
        """An encoder that learns here (an ablation) moved its weights too."""
        for domain in self.domains:
            if self.trains(domain.encoder.layers):
                spectral.iterate(domain.encoder)
