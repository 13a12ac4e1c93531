"""How far a score would move with other images: intervals from half-samples.

A bootstrap that draws with replacement repeats images, and repeated images lie: they have neighbours at distance 0,
their pairs are no pairs of different images, and a covariance of fewer images is further from the truth, so that the
Frechet distance of every resample lies above the score itself. Halves sampled *without* replacement repeat nothing. The
mean of n/2 of n images varies around the mean of all with variance (2/n - 1/n) S^2 = S^2/n, which is just the variance
of the mean of n fresh images, so the deviation over halves is the score's standard error with no further factor. Halves
are biased by their smaller count; only their deviations from their own mean are used.

Source: half-sampling is McCarthy, "Pseudo-replication: half samples", 1969; with other fractions it is the delete-d
jackknife, Shao and Wu, Annals of Statistics 17 (1989).

Where two sets come near one law, a distance is flat, and halves overstate the rest of its spread: intervals are then up
to 1.6 times too wide (measured: docs/scores.md).

The interval is for the score's mean over fresh draws *of as many images*. For the kernel distance and for means, which
are unbiased, that is the true value; the Frechet distance keeps the bias of its count.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

_NORMAL_QUANTILE = 1.959964  # of (1 + 0.95) / 2


class Interval(NamedTuple):
    """Where a score lies with 95 % confidence; `reach` is half the width before it is cut at the score's bounds."""

    low: float
    high: float
    reach: float


class Bounds(NamedTuple):
    """What a score can be, and the least that its interval reaches to both sides."""

    lowest: float = -math.inf
    highest: float = math.inf
    least_reach: float = 0.0


ANYWHERE = Bounds()


def halves(count: int, number: int, seed: int) -> Int[Tensor, "_ _"]:
    """`number` random halves of `count` images, (number, count // 2), each without repetition.

    Of an odd count a half is the smaller one, so that intervals are a little too wide rather than too narrow.
    """
    random = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randperm(count, generator=random)[: count // 2] for _ in range(number)])


def interval(value: float, of_halves: Float[Tensor, " _"], bounds: Bounds = ANYWHERE) -> Interval:
    """Return the value, plus and minus 1.96 standard errors, within what the score can be.

    Args:
        value: the score of all images.
        of_halves: the same score of halves.
    """
    reach = max(bounds.least_reach, _NORMAL_QUANTILE * of_halves.std().item())
    return Interval(max(bounds.lowest, value - reach), min(bounds.highest, value + reach), reach)


def share_bounds(count: int, highest: float = 1.0) -> Bounds:
    """Of a share of `count` images: where none of n images has a property, up to 3/n of all may (95 %), and no resample
    shows it."""
    return Bounds(0.0, highest, 3 / count)
