"""Losses that hold a translation, a latent or a style to its source."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nicegan.shapes import Scalar


def l1(found: Float[Tensor, "*shape"], reference: Float[Tensor, "*shape"]) -> Scalar:
    """mean |found - reference|, in [0, 2] for images in [-1, 1]"""
    return F.l1_loss(found, reference)
