"""Least-squares adversarial losses (Mao et al., ICCV 2017), without the factor 1/2: 1 is real, 0 is drawn."""

from jaxtyping import Float
from torch import Tensor

from nicegan.shapes import Scalar


def real(logits: Float[Tensor, "*patches"]) -> Scalar:
    """mean (D - 1)^2: what the discriminator wants of real images, and the generator of its own."""
    return (logits - 1).square().mean()


def fake(logits: Float[Tensor, "*patches"]) -> Scalar:
    """mean D^2: what the discriminator wants of drawn images."""
    return logits.square().mean()
