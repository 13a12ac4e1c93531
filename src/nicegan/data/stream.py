"""Which images, crops and flips a step sees: a pure function of (seed, step, rank), so a resumed run needs no loader.

The k-th image ever drawn from a domain is fixed by the seed. A step of W processes with n images each takes the next
W*n of them, in order of rank, so any number of processes sees the same images.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ORDER, _CROP = 0, 1  # purposes of random numbers


class Pick(NamedTuple):
    """One image of a step: its place in the store, its crop's upper left corner in pixels, whether to flip it."""

    image: int
    top: int
    left: int
    flip: bool


class Shard(NamedTuple):
    """The part of a step one process works on."""

    rank: int = 0
    num_ranks: int = 1


def picks(  # noqa: PLR0913
    *, seed: int, drawn: int, shard: Shard, domain: int, num_images: int, batch_size: int, margin: int
) -> list[Pick]:
    """The images of one domain that one process sees at one step.

    Args:
        seed: of the run.
        drawn: images that all processes have drawn before.
        shard: this process among all.
        domain: 0 for A, 1 for B.
        num_images: in the store.
        batch_size: images of this domain per process and step.
        margin: pixels by which stored images are larger than the crop, in both directions.
    """
    first = drawn + shard.rank * batch_size
    return [_pick(seed, domain, serial, num_images, margin) for serial in range(first, first + batch_size)]


def _pick(seed: int, domain: int, serial: int, num_images: int, margin: int) -> Pick:
    """The image number `serial` of all that the run draws from a domain."""
    epoch, place = divmod(serial, num_images)
    random = _random(seed, domain, _CROP, serial)
    top, left = random.integers(0, margin + 1, size=2).tolist()
    return Pick(int(_order(seed, domain, epoch, num_images)[place]), top, left, bool(random.random() < 0.5))


@lru_cache(maxsize=8)
def _order(seed: int, domain: int, epoch: int, num_images: int) -> NDArray[np.int64]:
    """Every image once an epoch, in an order of its own."""
    return _random(seed, domain, _ORDER, epoch).permutation(num_images)


def _random(seed: int, domain: int, purpose: int, count: int) -> np.random.Generator:
    """Independent random numbers for every (seed, domain, purpose, count); Philox is made for such counters."""
    return np.random.Generator(np.random.Philox(key=[seed, 2 * domain + purpose], counter=[0, 0, 0, count]))
