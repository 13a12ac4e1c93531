"""Principal components of few points with very many coordinates."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

BLOCK = 1 << 15  # coordinates in double precision at a time


class Components(NamedTuple):
    """Points in their principal axes, most varied first, and the share of the whole variance that these axes hold."""

    points: Float[Tensor, "n k"]
    variance_kept: float


def principal_components(rows: Float[Tensor, "n d"], count: int) -> Components:
    """Return the first `count` principal components of n points (fewer if n - 1 is less); distances keep their unit.

    By the n x n matrix of the centred points' products, G = U diag(s) U', so that the points are U sqrt(s): no
    second copy of the points is made, however large d is. Each axis's sign makes its largest coordinate positive.
    """
    products = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    for block in rows.split(BLOCK, dim=1):
        centred = block.double() - block.double().mean(dim=0)
        products += centred @ centred.T
    variances, axes = torch.linalg.eigh(products)  # ascending
    variances, axes = variances.flip(0).clamp_min(0), axes.flip(1)
    kept = min(count, len(rows) - 1)
    points = axes[:, :kept] * variances[:kept].sqrt()
    largest = points.gather(0, points.abs().argmax(dim=0, keepdim=True))
    share = variances[:kept].sum() / variances.sum().clamp_min(torch.finfo(torch.float64).tiny)
    return Components(points * torch.where(largest < 0, -1.0, 1.0), share.item())
