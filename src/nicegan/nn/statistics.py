"""What a network reads from a whole map, channel by channel: the only way in which distant pixels meet.

Every layer that needs the mean, the largest value or the moments of all pixels asks here, so that another object can
answer for a map that is there in tiles only (`nicegan.inference.tiling`), with the numbers of the whole.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Map = Float[Tensor, "n c h w"]
PerChannel = Float[Tensor, "n c"]


class Moments(NamedTuple):
    """Mean and unbiased variance of each channel of each image."""

    mean: PerChannel
    variance: PerChannel


class Statistics:
    """The answers for maps that are there as a whole."""

    def num_pixels(self, x: Map) -> int:
        """Return how many pixels the map has."""
        return x.shape[2] * x.shape[3]

    def mean(self, x: Map) -> PerChannel:
        """Return the mean of every channel."""
        return x.mean(dim=(2, 3))

    def largest(self, x: Map) -> PerChannel:
        """Return the largest value of every channel."""
        if x.is_cuda:  # its pooling takes ten times as long (docs/LOG.md), and the gradient is not repeatable
            return x.max(dim=3).values.max(dim=2).values
        return F.adaptive_max_pool2d(x, 1).flatten(1)

    def moments(self, x: Map) -> Moments:
        """Return mean and unbiased variance over the pixels, in float32 or better."""
        x = at_least_float32(x)
        if x.is_cuda:  # where the kernels cannot run
            variance, mean = torch.var_mean(x, dim=(2, 3))
            return Moments(mean, variance)
        # On CPUs torch.var_mean takes four times as long as these vectorised passes (docs/LOG.md).
        mean = x.mean(dim=(2, 3))
        squares = (x - mean[..., None, None]).square_().sum(dim=(2, 3))
        return Moments(mean, squares / max(x[0, 0].numel() - 1, 1))


class _InThread(threading.local):
    statistics = Statistics()


_current = _InThread()
WHOLE = _InThread.statistics


@contextmanager
def answered_by(statistics: Statistics) -> Iterator[None]:
    """Let an object answer for all maps, in this thread."""
    before, _current.statistics = _current.statistics, statistics
    try:
        yield
    finally:
        _current.statistics = before


def of_whole_maps() -> bool:
    """Return whether maps are there as a whole, so that a kernel may read them at once."""
    return _current.statistics is WHOLE


def num_pixels(x: Map) -> int:
    """Return how many pixels the whole map has."""
    return _current.statistics.num_pixels(x)


def mean(x: Map) -> PerChannel:
    """Return the mean of every channel of the whole map."""
    return _current.statistics.mean(x)


def largest(x: Map) -> PerChannel:
    """Return the largest value of every channel of the whole map."""
    return _current.statistics.largest(x)


def moments(x: Map) -> Moments:
    """Return mean and unbiased variance of every channel of the whole map, in float32 or better."""
    return _current.statistics.moments(x)


def at_least_float32(x: Tensor) -> Tensor:
    """x in the precision that statistics are taken in."""
    return x if x.dtype == torch.float64 else x.float()
