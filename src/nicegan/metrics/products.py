"""Inner products between two sets of features: kernels and distances follow from them, and so do those of any parts.

They are computed once; a part of the images is then a choice of rows and columns.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

Features = Float[Tensor, "_ _"]  # one row an image


class Products(NamedTuple):
    """x.y within the real set (n, n), within the set of fakes (m, m), and between them (n, m); float64."""

    real: Float[Tensor, "n n"]
    fake: Float[Tensor, "m m"]
    cross: Float[Tensor, "n m"]

    def part(self, real: Int[Tensor, " _"], fake: Int[Tensor, " _"]) -> Products:
        """Return the products of some images of each set, named by their rows."""
        return Products(self.real[real[:, None], real], self.fake[fake[:, None], fake], self.cross[real[:, None], fake])


def inner_products(real: Features, fake: Features) -> Products:
    """Return the inner products of features (n, d) and (m, d)."""
    real, fake = real.double(), fake.double()
    return Products(real @ real.T, fake @ fake.T, real @ fake.T)
