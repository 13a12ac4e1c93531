"""The shape legend. n images of h x w pixels; c channels; a latent is h' x w' = h/4 x w/4 in the paper's networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor

Scalar = Float[Tensor, ""]
Image = Float[Tensor, "n 3 h w"]  # RGB in [-1, 1]
Features = Float[Tensor, "n c h_map w_map"]
Latent = Float[Tensor, "n c h_latent w_latent"]
Heat = Float[Tensor, "n 1 h w"]  # in [0, 1]
Terms = dict[str, Scalar]  # named, weighted loss terms
Logits = dict[str, Tensor]  # what each head of a discriminator says of n images: maps (n, 1, h', w') or (n, k)
DomainName = Literal["A", "B"]
DOMAIN_NAMES: tuple[DomainName, ...] = ("A", "B")
OTHER: Mapping[str, DomainName] = {"A": "B", "B": "A"}


class Batch(NamedTuple):
    """Unpaired images of both domains."""

    a: Image
    b: Image

    def parts(self, count: int) -> list[Batch]:
        """Return the batch in `count` parts, to be worked on one after the other."""
        return [Batch(a, b) for a, b in zip(self.a.chunk(count), self.b.chunk(count), strict=True)]
