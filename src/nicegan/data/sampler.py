"""Which images, crops and flips a step sees: a pure function of (seed, step, rank), so a resumed run needs no loader.

The k-th image ever sampled from a domain (serial k) is fixed by the seed. A step of W processes with n images each
takes the next W*n serials, in order of rank, so any number of processes sees the same images.

Decoded images have an order of their own in each epoch. Tar shards can only be read one after the other: an epoch
permutes the shards, the samples of all epochs form one endless sequence, and each WINDOW of it is permuted in itself.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Consecutive samples of tar shards that are taken in any order: more mix better, but all must be read before the first
# is taken. 1024 images of 286 px are 250 MB decoded and some 50 MB as JPEG.
WINDOW = 1024
_ORDER, _CROP, _SHARDS, _WINDOW = 0, 1, 4, 5  # purposes of random numbers; with 2 * domain added, all differ


class Share(NamedTuple):
    """The part of a step one process works on."""

    rank: int = 0
    num_ranks: int = 1


class Crop(NamedTuple):
    """How an image is cut: its upper left corner in pixels, and whether to flip it."""

    top: int
    left: int
    flip: bool


def serials(samples_seen: int, share: Share, per_process: int) -> range:
    """Return the serials that one process takes of each domain in a step before which all have seen `samples_seen`."""
    first = samples_seen + share.rank * per_process
    return range(first, first + per_process)


def crop(seed: int, domain: int, serial: int, margin: int) -> Crop:
    """Return the cut of the image that is sampled as number `serial`.

    Args:
        seed: of the run.
        domain: 0 for A, 1 for B.
        margin: pixels by which images are larger than the crop, in both directions.
    """
    random = _random(seed, domain, _CROP, serial)
    top, left = random.integers(0, margin + 1, size=2).tolist()
    return Crop(top, left, bool(random.random() < 0.5))


def sampled_index(seed: int, domain: int, serial: int, num_images: int) -> int:
    """Return which of `num_images` decoded images is sampled as number `serial`: every one once an epoch."""
    epoch, index = divmod(serial, num_images)
    return int(_order(seed, domain, epoch, num_images)[index])


@lru_cache(maxsize=8)
def _order(seed: int, domain: int, epoch: int, num_images: int) -> NDArray[np.int64]:
    return _random(seed, domain, _ORDER, epoch).permutation(num_images)


def shard_order(seed: int, domain: int, epoch: int, num_shards: int) -> list[int]:
    """In which order an epoch reads the tar shards."""
    return _random(seed, domain, _SHARDS, epoch).permutation(num_shards).tolist()


@lru_cache(maxsize=8)
def window_order(seed: int, domain: int, window: int) -> tuple[int, ...]:
    """In which order the WINDOW samples of a window are sampled."""
    return tuple(_random(seed, domain, _WINDOW, window).permutation(WINDOW).tolist())


def _random(seed: int, domain: int, purpose: int, count: int) -> np.random.Generator:
    """Independent random numbers for every (seed, domain, purpose, count); Philox is made for such counters."""
    return np.random.Generator(np.random.Philox(key=[seed, 2 * domain + purpose], counter=[0, 0, 0, count]))
