"""Least-squares adversarial losses (Mao et al., ICCV 2017), without the factor 1/2: 1 is real, 0 is drawn."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nicegan.shapes import Scalar


def real(logits: Float[Tensor, "*patches"]) -> Scalar:
    """mean (D - 1)^2: what the discriminator wants of real images, and the generator of its own."""
    return F.mse_loss(logits, torch.ones_like(logits))


def fake(logits: Float[Tensor, "*patches"]) -> Scalar:
    """mean D^2: what the discriminator wants of drawn images."""
    return F.mse_loss(logits, torch.zeros_like(logits))
