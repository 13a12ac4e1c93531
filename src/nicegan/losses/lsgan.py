"""Least-squares adversarial losses (Mao et al., ICCV 2017), without the factor 1/2: 1 is real, 0 is fake."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nicegan.shapes import Scalar


def toward_real(logits: Float[Tensor, "*patches"]) -> Scalar:
    """Return mean (D - 1)^2: what a discriminator minimises on real images, and a generator on its fakes."""
    return F.mse_loss(logits, torch.ones_like(logits))


def toward_fake(logits: Float[Tensor, "*patches"]) -> Scalar:
    """Return mean D^2: what a discriminator minimises on fakes."""
    return F.mse_loss(logits, torch.zeros_like(logits))
