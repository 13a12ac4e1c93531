"""How translations relate to their inputs and to each other, in their pixels: what an eye sees at first glance.

All take images in [-1, 1] of one size.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nicegan.metrics.diversity import mean_pairwise_distance

COARSE_SIDE = 16  # pixels: what is larger than a detail
SMALLEST_NORM = 1e-6  # of an image without any contrast

Images = Float[Tensor, "_ 3 _ _"]


def correlation(fake: Images, source: Images) -> float:
    """Return the mean correlation of the pixels of each fake with those of its source: 1 is the same, -1 the negative.

    Each channel is taken about its own mean, so that a tint over the whole image changes nothing.
    """
    return (_normalised(fake) * _normalised(source)).sum(1).mean().item()


def chance_correlation(source: Images, real: Images) -> float:
    """Return the mean correlation of every source with every real image: what the domains share without a pairing."""
    return (_normalised(source).mean(0) @ _normalised(real).mean(0)).item()


def change(fake: Images, source: Images, real: Images) -> float:
    """Return the mean distance of fakes from their sources over that of sources from real images of the target."""
    moved = (fake - source).flatten(1).norm(dim=1).mean()
    apart = _distances(source, real).mean()
    return (moved / apart.clamp_min(SMALLEST_NORM)).item()


def spread(images: Images) -> float:
    """Return the mean distance of two of the images, in what is larger than a detail."""
    coarse = F.adaptive_avg_pool2d(images, COARSE_SIDE).flatten(1)
    return mean_pairwise_distance(coarse.double()).item()


def _normalised(images: Images) -> Float[Tensor, "n d"]:
    """Return each image as a vector of length 1, its channels about their means; 0 for one without contrast."""
    centred = (images - images.mean((2, 3), keepdim=True)).flatten(1)
    return centred / centred.norm(dim=1, keepdim=True).clamp_min(SMALLEST_NORM)


def _distances(a: Images, b: Images) -> Float[Tensor, "n m"]:
    a, b = a.flatten(1), b.flatten(1)
    squares = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.t()
    return squares.clamp_min(0).sqrt()
