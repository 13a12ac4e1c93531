"""NICE-GAN's training, decoupled by construction (Chen et al., CVPR 2020).

The encoder is part of the discriminator, so its parameters are registered in `DiscriminatorPhase` and in no other: it
learns while the adversarial loss is maximised, and is frozen while the generators minimise.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from nicegan.losses import adversarial
from nicegan.losses.consistency import l1
from nicegan.methods.base import Batch, Phase, both_ways, frozen
from nicegan.models.domain import Domain, translate
from nicegan.nn import spectral
from nicegan.shapes import Image, Terms


class LossWeights(NamedTuple):
    """The weight of each kind of term; `adversarial` weighs both players' terms."""

    adversarial: float = 1.0
    cycle: float = 10.0
    reconstruction: float = 10.0


class DiscriminatorPhase(Phase):
    """Classifiers and encoder learn to tell real images from drawn ones; the generators are frozen."""

    def __init__(self, domains: tuple[Domain, Domain], learns: list[nn.Module], weights: LossWeights) -> None:
        super().__init__("discriminator", domains, learns)
        self.weights = weights

    def forward(self, batch: Batch) -> Terms:
        a, b = self.domains
        with frozen(self.onlookers):
            return both_ways(
                lambda: self.judge(a, b, batch.a, batch.b),
                lambda: self.judge(b, a, batch.b, batch.a),
            )

    def judge(self, source: Domain, target: Domain, image: Image, real: Image) -> Terms:
        """One direction: sum over k of mean (D_k(b) - 1)^2 + mean D_k(G_B(E_A(a)))^2."""
        with torch.no_grad():
            drawn = translate(image, source, target)
        verdict = target.discriminator(torch.cat([real, drawn]))
        terms = {}
        for head, logits in verdict.heads().items():
            of_real, of_drawn = logits.chunk(2)
            loss = adversarial.real(of_real) + adversarial.fake(of_drawn)
            terms[f"{target.name}/{head}"] = self.weights.adversarial * loss
        return terms

    def after_update(self) -> None:
        """The weights have moved: one power iteration of every spectral norm."""
        for domain in self.domains:
            spectral.iterate(domain.discriminator)


class GeneratorPhase(Phase):
    """Generators learn to fool, to come back and to rebuild; encoder and classifiers are frozen."""

    def __init__(self, domains: tuple[Domain, Domain], learns: list[nn.Module], weights: LossWeights) -> None:
        super().__init__("generator", domains, learns)
        self.weights = weights

    def forward(self, batch: Batch) -> Terms:
        a, b = self.domains
        with frozen(self.onlookers):
            return both_ways(lambda: self.draw(a, b, batch.a), lambda: self.draw(b, a, batch.b))

    def draw(self, source: Domain, target: Domain, image: Image) -> Terms:
        """One direction: sum over k of mean (D_k(G_B(E_A(a))) - 1)^2, |G_A(E_B(G_B(E_A(a)))) - a|, |G_A(E_A(a)) - a|"""
        latent = source.encoder(image)  # no graph: the encoder is frozen here
        drawn = target.generator(latent)
        reading = target.read(drawn)
        cycled, rebuilt = source.generator(torch.cat([reading.latent, latent])).chunk(2)
        fooling = {
            f"{target.name}/{head}": self.weights.adversarial * adversarial.real(logits)
            for head, logits in reading.verdict.heads().items()
        }
        return fooling | {
            f"{source.name}/cycle": self.weights.cycle * l1(cycled, image),
            f"{source.name}/reconstruction": self.weights.reconstruction * l1(rebuilt, image),
        }

    def after_update(self) -> None:
        """An encoder that learns here (an ablation) moved its weights too."""
        for domain in self.domains:
            if self.trains(domain.encoder.layers):
                spectral.iterate(domain.encoder)
