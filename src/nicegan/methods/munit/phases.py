"""MUNIT's training: encoders and generators move first, then the discriminators, on fakes made before that move."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nicegan.losses import lsgan
from nicegan.losses.consistency import l1
from nicegan.methods.base import Fakes, Noise, Phase, both_ways, frozen
from nicegan.methods.munit.domain import MUNITDomain
from nicegan.shapes import Batch, Image, Terms


class LossWeights(NamedTuple):
    """The weight of each kind of term; `adversarial` weighs the terms of both phases."""

    adversarial: float
    reconstruction: float
    style: float
    content: float
    cycle: float


class MUNITPhase(Phase):
    """A phase with a random style for each image that it translates."""

    def __init__(  # noqa: PLR0913
        self,
        name: str,
        domains: tuple[MUNITDomain, MUNITDomain],
        learns: list[nn.Module],
        weights: LossWeights,
        style_features: int,
    ) -> None:
        super().__init__(name, domains, learns)
        self.domains = domains
        self.weights, self.style_features = weights, style_features

    def noise(self, batch: Batch, rng: torch.Generator) -> Noise:
        """Return styles of B for the images of A, then styles of A for those of B, all of standard normal numbers."""
        return tuple(torch.randn((len(image), self.style_features), generator=rng) for image in batch)


class DiscriminatorPhase(MUNITPhase):
    """Discriminators learn to separate real images from fakes; no encoder or generator is in the graph."""

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        made = fakes or self.translated(batch, noise)
        return both_ways(lambda: self.separate(a, batch.a, made["A"]), lambda: self.separate(b, batch.b, made["B"]))

    @torch.no_grad()
    def translated(self, batch: Batch, noise: Noise) -> Fakes:
        """Return fakes of both domains, where no generator phase of this step has left any."""
        a, b = self.domains
        style_b, style_a = noise
        return {
            "A": a.generator(b.encoder(batch.b), style_a),
            "B": b.generator(a.encoder(batch.a), style_b),
        }

    def separate(self, domain: MUNITDomain, real: Image, fake: Image) -> Terms:
        """Return one domain: mean (D(real) - 1)^2 + mean D(fake)^2 of each scale."""
        losses = lsgan.separate(domain.discriminator(torch.cat([real, fake])))
        return {f"{domain.name}/{head}": self.weights.adversarial * loss for head, loss in losses.items()}

    def chance_losses(self) -> dict[str, float]:
        """Return each scale's loss when it says 1/2 to everything."""
        loss = self.weights.adversarial * lsgan.CHANCE_LOSS
        return {f"{domain.name}/{head}": loss for domain in self.domains for head in domain.discriminator.head_names}


class GeneratorPhase(MUNITPhase):
    """Encoders and generators learn to fool, and to bring images, contents and styles back."""

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        style_b, style_a = noise
        made: Fakes = {} if fakes is None else fakes
        with frozen(self.frozen_parameters):  # both discriminators
            return both_ways(
                lambda: self.one_way(a, b, batch.a, style_b, made), lambda: self.one_way(b, a, batch.b, style_a, made)
            )

    def one_way(self, source: MUNITDomain, target: MUNITDomain, image: Image, style: Tensor, fakes: Fakes) -> Terms:
        """One direction: with c = E_A(a), s' = S_A(a), a random style s and x = G_B(c, s),

        mean (D_B(x) - 1)^2 of each scale, |G_A(c, s') - a|, |S_B(x) - s|, |E_B(x) - c|, |G_A(E_B(x), s') - a|
        """
        content, own_style = source.encoder(image), source.style_encoder(image)
        fake = target.generator(content, style)
        fakes[target.name] = fake.detach()  # for the discriminators
        content_of_fake = target.encoder(fake)
        weights = self.weights
        terms = {
            f"{target.name}/{head}": weights.adversarial * lsgan.toward_real(logits)
            for head, logits in target.discriminator(fake).items()
        }
        terms |= {
            f"{source.name}/reconstruction": weights.reconstruction * l1(source.generator(content, own_style), image),
            f"{target.name}/style": weights.style * l1(target.style_encoder(fake), style),
            f"{source.name}/content": weights.content * l1(content_of_fake, content),
        }
        if weights.cycle:
            terms[f"{source.name}/cycle"] = weights.cycle * l1(source.generator(content_of_fake, own_style), image)
        return terms
