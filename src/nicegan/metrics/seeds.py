"""What a few seeds say: mean, standard deviation, and whether two means differ by more than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import NamedTuple

LEVEL = 0.95  # of the intervals


class Spread(NamedTuple):
    """Mean and sample standard deviation (n - 1) of so many numbers; no deviation of a single one."""

    mean: float
    deviation: float | None
    num_values: int

    def __str__(self) -> str:
        mean = rounded(self.mean)
        return mean if self.deviation is None else f"{mean} ± {self.deviation:.{decimals(self.mean)}f}"


class Difference(NamedTuple):
    """The difference of two means, with half the width of its 95 % interval; None where a side has one number only."""

    value: float
    margin: float | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.margin is not None and abs(self.value) > self.margin

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its two ends."""
        return None if self.margin is None else (self.value - self.margin, self.value + self.margin)

    def __str__(self) -> str:
        digits = decimals(abs(self.value) + (self.margin or 0))
        if self.interval is None:
            return f"{self.value:+.{digits}f}"
        low, high = self.interval
        return f"{self.value:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def spread(values: Sequence[float]) -> Spread:
    """Return mean and deviation of one or more numbers."""
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


def difference(of: Spread, to: Spread) -> Difference:
    """The mean of one minus that of another, with Welch's interval: spreads may differ, and are taken to be normal."""
    from scipy.special import stdtrit

    value = of.mean - to.mean
    if of.deviation is None or to.deviation is None:
        return Difference(value, None)
    parts = [side.deviation**2 / side.num_values for side in (of, to) if side.deviation is not None]
    variance = sum(parts)
    if variance == 0:
        return Difference(value, 0.0)
    # Welch and Satterthwaite: v^2 / sum(v_i^2 / (n_i - 1))
    freedom = variance**2 / sum(part**2 / (side.num_values - 1) for part, side in zip(parts, (of, to), strict=True))
    quantile = float(stdtrit(freedom, (1 + LEVEL) / 2))  # of Student's distribution
    return Difference(value, quantile * math.sqrt(variance))


def decimals(value: float) -> int:
    """Places after the point that show four digits of the value, up to six."""
    return 1 if value == 0 else max(0, min(6, 3 - math.floor(math.log10(abs(value)))))


def rounded(value: float) -> str:
    """Four digits of the value."""
    return f"{value:.{decimals(value)}f}"
