"""What may be added to the training of NICE-GAN: each is off unless its setting is given, and has its own source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from nicegan.losses.contrastive import patch_nce
from nicegan.losses.gradient_penalty import r1
from nicegan.losses.lecam import lecam
from nicegan.methods.base import Fakes, Noise, Phase, both_ways, frozen
from nicegan.methods.nicegan.domain import AnyDomain
from nicegan.nn import spectral
from nicegan.nn.conv import twice_differentiable, without_autocast
from nicegan.nn.diff_augment import DiffAugment
from nicegan.shapes import Batch, Image, Latent, Logits, Scalar, Terms

GUESS = 0.5  # the logit of a discriminator that guesses
NUM_PATCHES, TEMPERATURE = 256, 0.07  # of PatchNCE, as published
LOGIT_DECAY = 0.99  # of LeCam's running means, as published


class PhaseInputs(NamedTuple):
    """What one direction of a phase takes besides its images: random numbers, and what the time says."""

    augmentation: Tensor | None = None
    pixels: Tensor | None = None  # of the patches that are compared, as indices of the latent's pixels
    consistency: Tensor | float = 1.0  # share of the weights of cycle and reconstruction


def of_directions(noise: Noise) -> tuple[PhaseInputs, PhaseInputs]:
    """Return the noise of a phase as that of A to B and of B to A."""
    middle = len(noise) // 2
    return PhaseInputs(*noise[:middle]), PhaseInputs(*noise[middle:])


def contrast(fake: Latent, source: Latent, pixels: Int[Tensor, " patches"] | None) -> Scalar:
    """Return how badly patches of fakes find their own patch of the source (PatchNCE: Park et al., ECCV 2020).

    Patches are compared as the encoders see them, without a projection that would have to learn.

    Args:
        fake: latents of fakes, by the encoder of their own domain.
        source: latents of what they are translated from, by the encoder of its domain.
        pixels: indices of the pixels that are compared.
    """
    assert pixels is not None, "PatchNCE needs the noise of its phase"
    queries, keys = (
        F.normalize(latent.float().flatten(2).index_select(2, pixels), dim=1).transpose(1, 2)
        for latent in (fake, source)
    )
    return patch_nce(queries, keys, TEMPERATURE)


class LogitMeans(nn.Module):
    """What LeCam (Tseng et al., CVPR 2021) remembers of one domain: running means of the logits of each head, of real
    images and of fakes. They move at an update, not at a pass: parts of a batch see the same.

    Args:
        heads: of the discriminator.
    """

    means: Tensor  # (heads, 2)
    sums: Tensor  # of the passes since the last update
    num_passes: Tensor

    def __init__(self, heads: Sequence[str]) -> None:
        super().__init__()
        self.heads = tuple(heads)
        for name, tensor in (
            ("means", torch.full((len(heads), 2), GUESS)),
            ("sums", torch.zeros(len(heads), 2)),
            ("num_passes", torch.zeros(())),
        ):
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, logits: Logits) -> Scalar:
        """Return the sum over heads of mean (D(b) - alpha_F)^2 + mean (D(fake) - alpha_R)^2, and note the logits.

        Args:
            logits: of each head, of real images followed by as many fakes.
        """
        pairs = [logits[head].float().chunk(2) for head in self.heads]
        with torch.no_grad():
            self.sums += torch.stack([torch.stack([real.mean(), fake.mean()]) for real, fake in pairs])
            self.num_passes += 1
        return torch.stack([lecam(*pair, *means) for pair, means in zip(pairs, self.means, strict=True)]).sum()

    @torch.no_grad()
    def update(self) -> None:
        """Move the means toward those of the logits since the last update."""
        self.means.lerp_(self.sums / self.num_passes, 1 - LOGIT_DECAY)
        self.forget_passes()

    def load(self, means: Tensor | None) -> None:
        """Take over saved means; None begins with those of a discriminator that guesses."""
        self.means.copy_(torch.tensor(GUESS) if means is None else means)
        self.forget_passes()

    def forget_passes(self) -> None:
        """Begin the next update."""
        self.sums.zero_()
        self.num_passes.zero_()


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
        """Return the random numbers of the augmentation for the real images of each direction."""
        if not self.augment.transforms:
            return ()
        return tuple(self.augment.random_numbers(len(images), rng) for images in batch)

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        to_b, to_a = of_directions(noise)
        with frozen(self.frozen_parameters):  # both generators (and an encoder that the generators train)
            return both_ways(lambda: self.flatten(b, batch.b, to_b), lambda: self.flatten(a, batch.a, to_a))

    def flatten(self, domain: AnyDomain, real: Image, extra: PhaseInputs) -> Terms:
        """Return one domain: every * gamma / 2 * mean |dD(b)/db|^2, in float32."""
        leaf = self.augment(real, extra.augmentation).detach().requires_grad_()
        shown = leaf.clone()  # since FlopCounterMode takes no leaf
        with twice_differentiable(), without_autocast(real):
            slope = r1(domain.discriminator(shown), shown)
        return {f"{domain.name}/slope": self.every * self.weight * slope}

    def after_update(self) -> None:
        """The weights have moved: one power iteration of every spectral norm."""
        for domain in self.domains:
            spectral.iterate(domain.discriminator)
