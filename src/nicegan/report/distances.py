"""A sliced Wasserstein distance of translations from real images, and how far chance moves it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nicegan.evaluation.measure import MIN_FOR_INTERVAL
from nicegan.metrics.bootstrap import halves, interval
from nicegan.metrics.wasserstein import sliced_wasserstein
from nicegan.shapes import Image

NUM_HALVES = 20  # an interval's width is then known to a sixth


class Distance(NamedTuple):
    """A sliced Wasserstein distance, and the same of random halves of the images; none where there are too few."""

    value: float
    of_halves: Tensor | None

    def text(self) -> str:
        """Value and half the width of its 95 % interval."""
        if self.of_halves is None:
            return f"{self.value:.1f}"
        return f"{self.value:.1f} ± {interval(self.value, self.of_halves).reach:.1f}"


def distance_of(fake: Image, real: Image) -> Distance:
    """Return the distance of fakes from real images, and that of halves.

    All distances are halved alike, so that what they have in common drops out of differences.
    """
    value = sliced_wasserstein(fake, real)
    if min(len(fake), len(real)) < MIN_FOR_INTERVAL:
        return Distance(value, None)
    parts = zip(halves(len(fake), NUM_HALVES, 1), halves(len(real), NUM_HALVES, 0), strict=True)
    values = [sliced_wasserstein(fake[i], real[j]) for i, j in parts]
    return Distance(value, torch.tensor(values, dtype=torch.float64))
