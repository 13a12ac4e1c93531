"""Kernel distance: the unbiased squared maximum mean discrepancy with kernel (x.y/d + 1)^3.

Source: Binkowski et al., "Demystifying MMD GANs", ICLR 2018; on the features of the 2015 Inception network it is the
KID.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from nicegan.metrics.products import Products

NUM_SUBSETS = 50
LARGEST_SUBSET = 1000


class KernelSubsets(NamedTuple):
    """The kernel distance as it is usually reported: mean and deviation over random subsets of equal size."""

    mean: float
    std: float
    num_subsets: int
    size: int


def kernel_distance(products: Products, num_features: int) -> float:
    """The distance on all images (a U-statistic: no image meets itself). Unbiased at any count; it may be below 0."""
    real, fake, cross = _kernels(products, num_features)
    return (_mean_between(real) + _mean_between(fake) - 2 * cross.mean()).item()


def kernel_subsets(products: Products, num_features: int, seed: int = 0) -> KernelSubsets:
    """Return the published protocol: 50 subsets of min(1000, n, m) images of each set, sampled without replacement.

    The deviation is that of the choice of subsets, not the score's uncertainty: it is 0 where a subset is a whole set.
    """
    from torchmetrics.image.kid import maximum_mean_discrepancy

    random = torch.Generator().manual_seed(seed)
    kernels = _kernels(products, num_features)
    counts = kernels.cross.shape
    size = min(LARGEST_SUBSET, *counts)
    values = []
    for _ in range(NUM_SUBSETS):
        part = kernels.part(*(torch.randperm(count, generator=random)[:size] for count in counts))
        values.append(maximum_mean_discrepancy(part.real, part.cross, part.fake))
    deviation, mean = torch.std_mean(torch.stack(values), correction=0)
    return KernelSubsets(mean.item(), deviation.item(), NUM_SUBSETS, size)


def _kernels(products: Products, num_features: int) -> Products:
    return Products(*((inner / num_features + 1) ** 3 for inner in products))


def _mean_between(kernel: Float[Tensor, "n n"]) -> Tensor:
    """Mean over pairs of two different images."""
    count = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1))
