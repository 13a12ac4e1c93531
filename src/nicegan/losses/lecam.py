"""Regularisation of a discriminator by running means of its own logits (LeCam: Tseng et al., CVPR 2021)."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nicegan.shapes import Scalar


def lecam(
    real: Float[Tensor, "*patches"], fake: Float[Tensor, "*patches"], mean_real: Scalar, mean_fake: Scalar
) -> Scalar:
    """Return mean (D(real) - alpha_F)^2 + mean (D(fake) - alpha_R)^2.

    Args:
        real: logits of real images.
        fake: logits of fakes.
        mean_real: alpha_R, the running mean of logits of real images.
        mean_fake: alpha_F, that of fakes.
    """
    return F.mse_loss(real, mean_fake.expand_as(real)) + F.mse_loss(fake, mean_real.expand_as(fake))
