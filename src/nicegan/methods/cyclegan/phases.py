"""CycleGAN's training: the generators move first, then the discriminators, on fakes made before that move."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from nicegan.losses import lsgan
from nicegan.losses.consistency import l1
from nicegan.methods.base import Domain, Fakes, Noise, Phase, both_ways, frozen
from nicegan.methods.cyclegan.pool import ImagePool
from nicegan.shapes import Batch, Image, Terms


class LossWeights(NamedTuple):
    """The weight of each kind of term; `adversarial` weighs the terms of both phases."""

    adversarial: float = 1.0
    cycle: float = 10.0
    identity: float = 5.0


class GeneratorPhase(Phase):
    """Encoders and generators learn to fool, to come back, and to leave images of the target domain as they are."""

    def __init__(self, domains: tuple[Domain, Domain], learns: list[nn.Module], weights: LossWeights) -> None:
        super().__init__("generator", domains, learns)
        self.weights = weights

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        made: Fakes = {} if fakes is None else fakes
        with frozen(self.frozen_parameters):  # both discriminators
            return both_ways(
                lambda: self.one_way(a, b, batch.a, batch.b, made),
                lambda: self.one_way(b, a, batch.b, batch.a, made),
            )

    def one_way(self, source: Domain, target: Domain, image: Image, example: Image, fakes: Fakes) -> Terms:
        """One direction: mean (D_B(G(a)) - 1)^2, |F(G(a)) - a|, |G(b) - b|, where G is A to B and F is B to A."""
        fake, same = target.generator(source.encoder(torch.cat([image, example]))).chunk(2)
        fakes[target.name] = fake.detach()
        cycled = source.generator(target.encoder(fake))
        logits = target.discriminator(fake)["patch"]
        return {
            f"{target.name}/patch": self.weights.adversarial * lsgan.toward_real(logits),
            f"{source.name}/cycle": self.weights.cycle * l1(cycled, image),
            f"{target.name}/identity": self.weights.identity * l1(same, example),
        }


class DiscriminatorPhase(Phase):
    """Discriminators learn to separate real images from the pool's fakes; no encoder or generator is in the graph.

    Args:
        pools: of fakes of A and of B; remembered between steps, and not registered.
    """

    def __init__(
        self,
        domains: tuple[Domain, Domain],
        learns: list[nn.Module],
        weights: LossWeights,
        pools: tuple[ImagePool, ImagePool],
    ) -> None:
        super().__init__("discriminator", domains, learns)
        self.weights = weights
        self.pools = pools

    def noise(self, batch: Batch, rng: torch.Generator) -> Noise:
        """Return two uniform numbers for each fake of A and of B: whether to exchange it, and for which."""
        return torch.rand(len(batch.b), 2, generator=rng), torch.rand(len(batch.a), 2, generator=rng)

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        assert len(noise) == len(self.pools), "the pools need the random numbers that `noise` returns"
        made = fakes or self.translated(batch)
        fake_a, fake_b = (
            pool.query(made[domain.name], random)
            for pool, domain, random in zip(self.pools, self.domains, noise, strict=True)
        )
        with frozen(self.frozen_parameters):  # both encoders and generators
            return both_ways(lambda: self.separate(a, batch.a, fake_a), lambda: self.separate(b, batch.b, fake_b))

    def separate(self, domain: Domain, real: Image, fake: Image) -> Terms:
        """Return one domain: 1/2 mean (D(real) - 1)^2 + 1/2 mean D(fake)^2, as two terms."""
        of_real, of_fake = domain.discriminator(torch.cat([real, fake]))["patch"].chunk(2)
        half = self.weights.adversarial / 2
        return {
            f"{domain.name}/real": half * lsgan.toward_real(of_real),
            f"{domain.name}/fake": half * lsgan.toward_fake(of_fake),
        }

    @torch.no_grad()
    def translated(self, batch: Batch) -> Fakes:
        """Return fakes of both domains, where no generator phase of this step has left any."""
        a, b = self.domains
        return {a.name: a.generator(b.encoder(batch.b)), b.name: b.generator(a.encoder(batch.a))}

    def chance_losses(self) -> dict[str, float]:
        """Return weight/2 * (1/2)^2 for each term: a discriminator that says 1/2 to everything."""
        loss = self.weights.adversarial / 2 * 0.25
        return {f"{domain.name}/{kind}": loss for domain in self.domains for kind in ("real", "fake")}
