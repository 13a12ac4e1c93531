"""Intervals of shares of votes: for other raters and other images than those of the study.

Votes of one rater are not independent, nor are votes on one image. Resampling raters and images at once (the pigeonhole
bootstrap) counts the chance of single votes up to three times; so raters, images and votes are resampled apart, and the
variances added as

    V = V_raters + V_images - V_votes        (Cameron, Gelbach and Miller, J. Business & Economic Statistics 29, 2011)

never less than any of the three. The interval is Wilson's with the number of independent votes that have this variance,
n = p (1 - p) / V, and the quantile of Student's t with one degree of freedom less than there are raters or images,
whichever are fewer.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from nicegan.study.tally import Scores

Array = NDArray[np.float64]
CONFIDENCE = 0.95
NUM_RESAMPLES = 2000
FEWEST = 2  # raters and images, for any interval


class Estimate(NamedTuple):
    """A value and its 95 % interval; None where there are too few raters or images for one."""

    value: float
    low: float | None
    high: float | None

    @property
    def is_known(self) -> bool:
        """Return whether there is an interval."""
        return self.low is not None


class Resamples(NamedTuple):
    """Values of each label in resampled studies, (resamples, labels): of raters, of images, and of single votes."""

    raters: Array
    images: Array
    votes: Array


def shares(scores: Scores) -> Array:
    """Return each label's share: what it won of the times that it was shown."""
    shown = scores.shown.sum((1, 2))
    return np.divide(scores.won.sum((1, 2)), shown, out=np.full(len(shown), np.nan), where=shown > 0)


def resample_sums(tables: Array, seed: int, count: int = NUM_RESAMPLES) -> Resamples:
    """Return sums of tables over resampled raters, images and votes, each (resamples, tables).

    Args:
        tables: (tables, raters, images); a table's cell is zero where a rater did not rate an image.
        seed: of the resampling.
        count: how many resamples.
    """
    random = np.random.default_rng(seed)
    if not tables.any():
        return Resamples(*(np.zeros((count, len(tables))) for _ in range(3)))
    rated = np.flatnonzero(np.abs(tables).sum(0).ravel())
    parts = (tables.sum(2), tables.sum(1), tables.reshape(len(tables), -1)[:, rated])
    return Resamples(*(_weights(random, part.shape[1], count) @ part.T for part in parts))


def _weights(random: np.random.Generator, number: int, count: int) -> Array:
    """Return how often each of `number` things is taken in each resample, (count, number)."""
    return random.multinomial(number, np.full(number, 1 / number), size=count).astype(np.float64)


def resample_shares(scores: Scores, seed: int, count: int = NUM_RESAMPLES) -> Resamples:
    """Return the shares in resampled studies."""
    num_labels = len(scores.labels)
    sums = resample_sums(np.concatenate([scores.won, scores.shown]), seed, count)
    return Resamples(*(_ratio(part[:, :num_labels], part[:, num_labels:]) for part in sums))


def _ratio(won: Array, shown: Array) -> Array:
    return np.divide(won, shown, out=np.full_like(won, np.nan), where=shown > 0)


def variance(resamples: Resamples, contrast: Array) -> tuple[float, float]:
    """Return the variance of a weighted sum of the labels' values over raters and images, and over votes alone."""
    used = np.flatnonzero(contrast)
    raters, images, votes = (float(np.nanvar(part[:, used] @ contrast[used])) for part in resamples)
    return max(raters + images - votes, raters, images, votes), votes


def quantile(scores: Scores) -> float | None:
    """Return the quantile of Student's t for these raters and images; None if there are too few."""
    fewest = min(scores.won.shape[1:])
    return float(student.ppf((1 + CONFIDENCE) / 2, fewest - 1)) if fewest >= FEWEST else None


def share_intervals(scores: Scores, resamples: Resamples) -> list[Estimate]:
    """Return each label's share with its interval."""
    values, t = shares(scores), quantile(scores)
    counts = scores.shown.sum((1, 2))
    effects: list[float] = []  # how many votes are worth one independent vote
    variances: list[float] = []
    for number in range(len(values)):
        found, of_votes = variance(resamples, np.eye(len(values))[number]) if counts[number] else (0.0, 0.0)
        variances.append(found)
        if of_votes > 0:
            effects.append(found / of_votes)
    usual = float(np.median(effects)) if effects else 1.0
    estimates = []
    for value, count, found in zip(values, counts, variances, strict=True):
        if t is None or not count:
            estimates.append(Estimate(float(value), None, None))
            continue
        independent = value * (1 - value) / found if found > 0 and 0 < value < 1 else count / usual
        estimates.append(wilson(float(value), float(independent), t))
    return estimates


def wilson(share: float, count: float, t: float) -> Estimate:
    """Return Wilson's interval of a share of `count` independent votes."""
    scale = 1 + t**2 / count
    middle = (share + t**2 / (2 * count)) / scale
    reach = t / scale * math.sqrt(share * (1 - share) / count + t**2 / (4 * count**2))
    return Estimate(share, min(share, max(0.0, middle - reach)), max(share, min(1.0, middle + reach)))


def newcombe(one: Estimate, other: Estimate) -> Estimate:
    """Return the difference of two shares, with the interval that follows from their own (Newcombe, 1998)."""
    value = one.value - other.value
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return Estimate(value, None, None)
    below, above = one.value - one.low, one.high - one.value
    low = value - math.hypot(below, other.high - other.value)
    return Estimate(value, max(-1.0, low), min(1.0, value + math.hypot(above, other.value - other.low)))


def linear_interval(value: float, resamples: Resamples, contrast: Array, t: float | None) -> Estimate:
    """Return the interval of a weighted sum of the labels' values, such as a difference of two."""
    if t is None:
        return Estimate(value, None, None)
    reach = t * math.sqrt(variance(resamples, contrast)[0])
    return Estimate(value, value - reach, value + reach)
