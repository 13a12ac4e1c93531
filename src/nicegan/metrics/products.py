"""Inner products between two sets of features: kernels and distances follow from them, and so do those of any parts.

They are computed once; a part of the images is then a choice of rows and columns.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

Features = Float[Tensor, "_ _"]  # one row an image


class Products(NamedTuple):
    """x.y within the real set (n, n), within the drawn set (m, m), and between them (n, m); float64."""

    real: Float[Tensor, "n n"]
    drawn: Float[Tensor, "m m"]
    cross: Float[Tensor, "n m"]

    def part(self, real: Int[Tensor, " _"], drawn: Int[Tensor, " _"]) -> Products:
        """The products of some images of each set, named by their rows."""
        return Products(
            self.real[real[:, None], real], self.drawn[drawn[:, None], drawn], self.cross[real[:, None], drawn]
        )


def inner_products(real: Features, drawn: Features) -> Products:
    """The inner products of features (n, d) and (m, d)."""
    real, drawn = real.double(), drawn.double()
    return Products(real @ real.T, drawn @ drawn.T, real @ drawn.T)
