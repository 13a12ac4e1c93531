"""How different several translations of one image are."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def mean_pairwise_distance(features: Float[Tensor, "*sets outputs d"]) -> Float[Tensor, "*sets"]:
    """Return the mean Euclidean distance over all pairs of different rows of each set, of at least two rows."""
    count = features.shape[-2]
    # The plain differences: by products of matrices, equal rows would be a rounding apart.
    distances = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.sum(dim=(-2, -1)) / (count * (count - 1))
