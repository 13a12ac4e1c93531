"""Least-squares adversarial losses (Mao et al., ICCV 2017), without the factor 1/2: 1 is real, 0 is fake."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nicegan.shapes import Logits, Scalar, Terms

CHANCE_LOSS = 0.5  # of a head that says 1/2 to everything: (1 - 1/2)^2 + (1/2)^2


def toward_real(logits: Float[Tensor, "*patches"]) -> Scalar:
    """Return mean (D - 1)^2: what a discriminator minimises on real images, and a generator on its fakes."""
    return F.mse_loss(logits, torch.ones_like(logits))


def toward_fake(logits: Float[Tensor, "*patches"]) -> Scalar:
    """Return mean D^2: what a discriminator minimises on fakes."""
    return F.mse_loss(logits, torch.zeros_like(logits))


def separate(logits: Logits) -> Terms:
    """Return what a discriminator minimises, for each head: mean (D(real) - 1)^2 + mean D(fake)^2.

    Args:
        logits: of each head, of real images followed by as many fakes.
    """
    pairs = {head: of_both.chunk(2) for head, of_both in logits.items()}
    return {head: toward_real(real) + toward_fake(fake) for head, (real, fake) in pairs.items()}
