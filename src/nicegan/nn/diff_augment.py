"""Augmentation of what a discriminator sees, real images and fakes alike (DiffAugment: Zhao et al., NeurIPS 2020).

Every transform is linear in the image, so a generator's gradient passes, and leaves the colours as they are. The random
numbers are an argument: each image has two for each transform, vertical and horizontal, uniform in [0, 1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nicegan.nn.conv import without_autocast
from nicegan.shapes import Image

FARTHEST = 1 / 8  # translation, as a share of the side
HOLE = 1 / 2  # side of the square that is cut out, as a share of the image's

Pair = Float[Tensor, "n 2"]
Transform = Callable[[Image, Pair], Image]


def translate(image: Image, uniform: Pair) -> Image:
    """Return images that are shifted by at most an eighth of each side; what comes in from outside is grey (0)."""
    rows, columns = (
        _sources(side, of_side).to(image.dtype)[:, None]
        for side, of_side in zip(image.shape[2:], uniform.unbind(1), strict=True)
    )
    with without_autocast(image):
        return rows @ image @ columns.mT  # products, since the gradient of an index is not repeatable on a GPU


def _sources(side: int, uniform: Float[Tensor, " n"]) -> Bool[Tensor, "n side side"]:
    """Return from which pixel of a side every pixel of a shifted side comes."""
    farthest = round(side * FARTHEST)
    shift = (uniform * (2 * farthest + 1)).floor() - farthest
    pixel = torch.arange(side, device=uniform.device)
    return pixel[:, None] + shift[:, None, None] == pixel


def cut_out(image: Image, uniform: Pair) -> Image:
    """Return images without a square (a rectangle) of half their sides, centred on any pixel: it is grey (0)."""
    rows, columns = (_hole(side, of_side) for side, of_side in zip(image.shape[2:], uniform.unbind(1), strict=True))
    return image.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def _hole(side: int, uniform: Float[Tensor, " n"]) -> Bool[Tensor, "n side"]:
    """Return which pixels of a side are cut out."""
    length = round(side * HOLE)
    first = (uniform * side).floor() - length // 2
    pixel = torch.arange(side, device=uniform.device)
    return (first[:, None] <= pixel) & (pixel < first[:, None] + length)


class DiffAugment(NamedTuple):
    """The transforms of every image, in order; none at all returns the image itself."""

    transforms: tuple[Transform, ...] = ()

    def random_numbers(self, count: int, rng: torch.Generator) -> Float[Tensor, "n k 2"]:
        """Return the random numbers of `count` images."""
        return torch.rand((count, len(self.transforms), 2), generator=rng)

    def __call__(self, image: Image, uniform: Float[Tensor, "n k 2"] | None) -> Image:
        """Return the transformed images; `uniform` may be None where there is no transform."""
        for index, transform in enumerate(self.transforms):
            assert uniform is not None, "an augmentation needs random numbers"
            image = transform(image, uniform[:, index])
        return image
