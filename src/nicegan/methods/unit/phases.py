"""UNIT's training: encoders and generators move first, then the discriminators, on fakes made before that move."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nicegan.losses import lsgan
from nicegan.losses.consistency import l1
from nicegan.methods.base import Domain, Fakes, Noise, Phase, both_ways, frozen
from nicegan.methods.unit.config import NUM_DOWNS
from nicegan.shapes import Batch, Image, Latent, Scalar, Terms


class LossWeights(NamedTuple):
    """The weight of each kind of term; `adversarial` weighs the terms of both phases."""

    adversarial: float
    reconstruction: float
    kl: float
    cycle: float
    kl_cycle: float


class UNITPhase(Phase):
    """A phase with noise for latents.

    Args:
        latent_channels: of the latents that noise is drawn for.
        num_draws: of noise for each domain.
    """

    def __init__(  # noqa: PLR0913
        self,
        name: str,
        domains: tuple[Domain, Domain],
        learns: list[nn.Module],
        weights: LossWeights,
        latent_channels: int,
        num_draws: int,
    ) -> None:
        super().__init__(name, domains, learns)
        self.weights, self.latent_channels, self.num_draws = weights, latent_channels, num_draws

    def noise(self, batch: Batch, rng: torch.Generator) -> Noise:
        """Return standard normal numbers for each draw of A's latents, then of B's."""
        draws: list[Tensor] = []
        for image in batch:
            height, width = (side >> NUM_DOWNS for side in image.shape[2:])
            shape = (len(image), self.latent_channels, height, width)
            draws += [torch.randn(shape, generator=rng) for _ in range(self.num_draws)]
        return tuple(draws)


class DiscriminatorPhase(UNITPhase):
    """Discriminators learn to separate real images from fakes; no encoder or generator is in the graph."""

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        made = fakes or self.translated(batch, noise)
        return both_ways(lambda: self.separate(a, batch.a, made["A"]), lambda: self.separate(b, batch.b, made["B"]))

    @torch.no_grad()
    def translated(self, batch: Batch, noise: Noise) -> Fakes:
        """Return fakes of both domains, where no generator phase of this step has left any."""
        a, b = self.domains
        noise_a, noise_b = noise
        return {
            "A": a.generator(b.encoder(batch.b) + noise_b),
            "B": b.generator(a.encoder(batch.a) + noise_a),
        }

    def separate(self, domain: Domain, real: Image, fake: Image) -> Terms:
        """Return one domain: mean (D(real) - 1)^2 + mean D(fake)^2 of each scale."""
        losses = lsgan.separate(domain.discriminator(torch.cat([real, fake])))
        return {f"{domain.name}/{head}": self.weights.adversarial * loss for head, loss in losses.items()}

    def chance_losses(self) -> dict[str, float]:
        """Return each scale's loss when it says 1/2 to everything."""
        loss = self.weights.adversarial * lsgan.CHANCE_LOSS
        return {f"{domain.name}/{head}": loss for domain in self.domains for head in domain.discriminator.head_names}


class GeneratorPhase(UNITPhase):
    """Encoders and generators learn to fool, to bring images back, directly and there and back, and to keep latents
    near noise."""

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        of_a, of_b = noise[: self.num_draws], noise[self.num_draws :]
        made: Fakes = {} if fakes is None else fakes
        with frozen(self.frozen_parameters):  # both discriminators
            return both_ways(
                lambda: self.one_way(a, b, batch.a, of_a, made), lambda: self.one_way(b, a, batch.b, of_b, made)
            )

    def one_way(self, source: Domain, target: Domain, image: Image, noise: Noise, fakes: Fakes) -> Terms:
        """One direction: z = E_A(a) + noise; |G_A(z) - a|, mean E_A(a)^2, mean (D_B(G_B(z)) - 1)^2 of each scale; and
        from E_B(G_B(z)) back to a the same two terms again."""
        there, back = noise
        mean = source.encoder(image)
        latent = mean + there
        fake = target.generator(latent)
        fakes[target.name] = fake.detach()  # for the discriminators
        mean_of_fake = target.encoder(fake)
        weights = self.weights
        terms = {
            f"{target.name}/{head}": weights.adversarial * lsgan.toward_real(logits)
            for head, logits in target.discriminator(fake).items()
        }
        return terms | {
            f"{source.name}/reconstruction": weights.reconstruction * l1(source.generator(latent), image),
            f"{source.name}/kl": weights.kl * mean_square(mean),
            f"{source.name}/cycle": weights.cycle * l1(source.generator(mean_of_fake + back), image),
            f"{source.name}/kl_cycle": weights.kl_cycle * mean_square(mean_of_fake),
        }


def mean_square(latent: Latent) -> Scalar:
    """Return what the published code takes for a divergence from noise: half of it would be one for unit variances."""
    return latent.square().mean()
