"""U-GAT-IT's training: the discriminators move first, then encoders and generators, each on fakes of its own."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from nicegan.losses import lsgan
from nicegan.losses.consistency import l1
from nicegan.losses.cross_entropy import toward
from nicegan.methods.base import Fakes, Noise, Phase, both_ways, frozen
from nicegan.methods.ugatit.domain import UGATITDomain
from nicegan.nn import spectral
from nicegan.nn.lin import clip_shares
from nicegan.shapes import Batch, Image, Terms


class LossWeights(NamedTuple):
    """The weight of each kind of term; `adversarial` weighs the terms of both phases."""

    adversarial: float
    cycle: float
    identity: float
    cam: float


class DiscriminatorPhase(Phase):
    """Discriminators learn to separate real images from fakes; no encoder or generator is in the graph."""

    def __init__(
        self, domains: tuple[UGATITDomain, UGATITDomain], learns: list[nn.Module], weights: LossWeights
    ) -> None:
        super().__init__("discriminator", domains, learns)
        self.domains = domains
        self.weights = weights

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        with torch.no_grad():  # both encoders and generators
            fake_a, fake_b = a.generator(b.encoder(batch.b)), b.generator(a.encoder(batch.a))
        return both_ways(lambda: self.separate(a, batch.a, fake_a), lambda: self.separate(b, batch.b, fake_b))

    def separate(self, domain: UGATITDomain, real: Image, fake: Image) -> Terms:
        """Return one domain: mean (D(real) - 1)^2 + mean D(fake)^2 of each head."""
        losses = lsgan.separate(domain.discriminator(torch.cat([real, fake])))
        return {f"{domain.name}/{head}": self.weights.adversarial * loss for head, loss in losses.items()}

    def after_update(self) -> None:
        """The weights have moved: one power iteration of every spectral norm."""
        for domain in self.domains:
            spectral.iterate(domain.discriminator)

    def chance_losses(self) -> dict[str, float]:
        """Return each head's loss when it says 1/2 to everything."""
        loss = self.weights.adversarial * lsgan.CHANCE_LOSS
        return {f"{domain.name}/{head}": loss for domain in self.domains for head in domain.discriminator.head_names}


class GeneratorPhase(Phase):
    """Encoders and generators learn to fool, to come back, to keep the target's images, and to tell the domains."""

    def __init__(
        self, domains: tuple[UGATITDomain, UGATITDomain], learns: list[nn.Module], weights: LossWeights
    ) -> None:
        super().__init__("generator", domains, learns)
        self.domains = domains
        self.weights = weights

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        with frozen(self.frozen_parameters):  # both discriminators
            return both_ways(lambda: self.one_way(a, b, batch.a, batch.b), lambda: self.one_way(b, a, batch.b, batch.a))

    def one_way(self, source: UGATITDomain, target: UGATITDomain, image: Image, example: Image) -> Terms:
        """One direction: mean (D_B(G(a)) - 1)^2 of each head, |F(G(a)) - a|, |G(b) - b|, and what the encoder of A
        says: 1 to a, 0 to b."""
        latent, cam = source.encoder.read(torch.cat([image, example]))
        fake, same = target.generator(latent).chunk(2)
        cycled = source.generator(target.encoder(fake))
        of_image, of_example = cam.chunk(2)
        terms = {
            f"{target.name}/{head}": self.weights.adversarial * lsgan.toward_real(logits)
            for head, logits in target.discriminator(fake).items()
        }
        return terms | {
            f"{source.name}/cycle": self.weights.cycle * l1(cycled, image),
            f"{target.name}/identity": self.weights.identity * l1(same, example),
            f"{target.name}/cam": self.weights.cam * (toward(of_image, 1.0) + toward(of_example, 0.0)),
        }

    def after_update(self) -> None:
        """The shares of the normalisations stay in [0, 1]."""
        for domain in self.domains:
            clip_shares(domain.generator)
