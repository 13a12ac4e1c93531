"""The maximum mean discrepancy between two sets of points, with a Gaussian kernel.

Source: Gretton et al., "A Kernel Two-Sample Test", JMLR 13 (2012): the unbiased estimate is equation 3, the bandwidth
the median heuristic of section 8. A permutation test needs one kernel matrix: every labelling sums the same numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Points = Float[Tensor, "n d"]
Kernel = Float[Tensor, "n n"]

ROUNDING = 1e-12  # labellings whose sums differ by less have equal MMD


class PermutationTest(NamedTuple):
    """How far apart two sets are, and how often a random labelling of their points puts them at least as far.

    `mmd_squared` is unbiased, so it is near 0 and may be negative for sets of one distribution; `p_value` is in (0, 1].
    """

    mmd_squared: float
    p_value: float


def median_distance(points: Points) -> float:
    """Return the median Euclidean distance of pairs of points that differ; 0 if none do."""
    distances = torch.pdist(points)
    positive = distances[distances > 0]
    return positive.median().item() if len(positive) else 0.0


def gaussian_kernel(points: Points, bandwidth: float) -> Kernel:
    """k(x, y) = exp(-|x - y|^2 / (2 bandwidth^2)) of every pair of points; bandwidth > 0, in the points' unit."""
    return torch.exp(torch.cdist(points, points).square() / (-2 * bandwidth**2))


def mmd_squared(kernel: Kernel, in_first: Bool[Tensor, "labellings n"]) -> Float[Tensor, " labellings"]:
    """MMD^2 = mean k(x, x') + mean k(y, y') - 2 mean k(x, y), x and x' (y and y') different points of one set.

    Args:
        kernel: of all points of both sets together.
        in_first: for each labelling, which points are x; the others are y. At least two of each.
    """
    pairs = kernel - torch.diag(kernel.diagonal())
    x = in_first.to(kernel)
    y = 1 - x
    num_x, num_y = x.sum(1), y.sum(1)
    within_x, within_y, across = ((a @ pairs * b).sum(1) for a, b in ((x, x), (y, y), (x, y)))
    return within_x / (num_x * (num_x - 1)) + within_y / (num_y * (num_y - 1)) - 2 * across / (num_x * num_y)


def permutation_test(kernel: Kernel, num_first: int, num_permutations: int = 1000, seed: int = 0) -> PermutationTest:
    """Test whether the first `num_first` points and the others are of one distribution.

    p = (1 + number of random labellings with at least the observed MMD^2) / (1 + number of random labellings)
    """
    count = len(kernel)
    random = torch.Generator().manual_seed(seed)
    orders = torch.stack(
        [torch.arange(count), *(torch.randperm(count, generator=random) for _ in range(num_permutations))]
    )
    observed, *others = mmd_squared(kernel, orders < num_first).tolist()
    at_least = sum(other >= observed - ROUNDING for other in others)
    return PermutationTest(observed, (1 + at_least) / (1 + num_permutations))
