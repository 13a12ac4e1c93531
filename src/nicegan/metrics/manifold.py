"""How much of each set lies within reach of the other: precision, recall, density and coverage.

Sources: Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", NeurIPS 2019
(precision, recall); Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020 (density,
coverage, and k = 5 for all four).

An image's ball reaches to its k-th nearest neighbour in its own set.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from nicegan.metrics.products import Products

NUM_NEIGHBOURS = 5


class Manifold(NamedTuple):
    """Shares in [0, 1], except the density, which may exceed 1."""

    precision: float
    """Drawn images that lie in the ball of any real one."""
    recall: float
    """Real images that lie in the ball of any fake."""
    density: float
    """Balls of real images that a fake lies in, over k: mean over fakes."""
    coverage: float
    """Real images whose ball holds any fake."""


def manifold(products: Products, k: int = NUM_NEIGHBOURS) -> Manifold:
    """Return the four shares; each set needs more than k images."""
    size_real, size_fake = products.real.diagonal(), products.fake.diagonal()
    between = size_real[:, None] + size_fake - 2 * products.cross  # squared distances
    in_real = between <= _reach(products.real, k)[:, None]
    in_fake = between <= _reach(products.fake, k)
    return Manifold(
        precision=in_real.any(0).double().mean().item(),
        recall=in_fake.any(1).double().mean().item(),
        density=in_real.double().sum(0).mean().item() / k,
        coverage=in_real.any(1).double().mean().item(),
    )


def _reach(inner: Float[Tensor, "n n"], k: int) -> Float[Tensor, " n"]:
    """Squared distance of each image to its k-th nearest neighbour in its own set, itself not counted."""
    size = inner.diagonal()
    distances = size[:, None] + size - 2 * inner
    distances.fill_diagonal_(float("inf"))
    return distances.kthvalue(k, dim=1).values
