"""Who lies next to whom: nearest points of another set, and how well two sets mix."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor


class Nearest(NamedTuple):
    """The nearest points of each query, nearest first: which ones, and their Euclidean distances."""

    indices: Int64[Tensor, "queries k"]
    distance: Float[Tensor, "queries k"]


class Mixing(NamedTuple):
    """The share of points' nearest neighbours that are of the other set, and what it is where two sets are one.

    `share` is 0 where the sets are apart. `expected` is 2 n m / ((n + m)(n + m - 1)): 1/2 for large equal sets.
    """

    share: float
    expected: float
    num_neighbours: int


def nearest(queries: Float[Tensor, "queries d"], points: Float[Tensor, "points d"], count: int) -> Nearest:
    """Return the `count` nearest of `points` (all of them if they are fewer) for each query."""
    distances = torch.cdist(queries, points)
    found = distances.topk(min(count, len(points)), largest=False)
    return Nearest(found.indices, found.values)


def mixing(points: Float[Tensor, "n d"], num_first: int, num_neighbours: int = 10) -> Mixing:
    """Return how the first `num_first` points mix with the others, by the nearest neighbours of every point."""
    count = len(points)
    num_neighbours = min(num_neighbours, count - 1)
    distances = torch.cdist(points, points).fill_diagonal_(torch.inf)  # nobody is their own neighbour
    neighbours = distances.topk(num_neighbours, largest=False).indices
    in_first = torch.arange(count) < num_first
    of_the_other = in_first[neighbours] != in_first[:, None]
    expected = 2 * num_first * (count - num_first) / (count * (count - 1))
    return Mixing(of_the_other.float().mean().item(), expected, num_neighbours)
