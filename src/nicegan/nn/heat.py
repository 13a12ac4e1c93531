"""Maps of heat: each image's own range, spread over [0, 1]."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nicegan.nn import statistics
from nicegan.shapes import Heat


def to_unit_range(heat: Float[Tensor, "n 1 h w"]) -> Heat:
    """Return each map with its own range spread over [0, 1]."""
    high, low = (values[..., None, None] for values in (statistics.largest(heat), -statistics.largest(-heat)))
    return (heat - low) / (high - low).clamp_min(1e-8)


def enlarged(heat: Float[Tensor, "n 1 h_map w_map"], size: tuple[int, int]) -> Heat:
    """Return maps at (height, width) pixels, each over its own range in [0, 1]."""
    return to_unit_range(F.interpolate(heat, size=size, mode="bilinear"))
