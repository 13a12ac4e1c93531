"""All scores of one set of fakes against one set of real ones, with intervals, and differences of two."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nicegan.metrics.bootstrap import ANYWHERE, Bounds, halves, interval, share_bounds
from nicegan.metrics.frechet import frechet_distance
from nicegan.metrics.kernel import KernelSubsets, kernel_distance, kernel_subsets
from nicegan.metrics.manifold import NUM_NEIGHBOURS, manifold
from nicegan.metrics.products import Products, inner_products

MIN_FOR_INTERVAL = 20  # images; a half must hold more than k neighbours, and the normal law something to rest on
MAX_RESAMPLES, MIN_RESAMPLES = 200, 40
AFFORDABLE_SIDE = 500  # of the matrix whose singular values every resample takes: larger ones get fewer resamples
SHARES = {"precision": 1.0, "recall": 1.0, "coverage": 1.0, "density": math.inf}  # of images; and the most it can be
BOUNDS = {"frechet": Bounds(lowest=0), "similarity": Bounds(-1, 1)}
LESS_IS_BETTER = ("frechet", "kernel")


class Score(NamedTuple):
    """A value and its 95 % interval; no interval where there are too few images.

    `reach` is half the interval's width before it is cut to what the score can be.
    """

    value: float
    low: float | None = None
    high: float | None = None
    reach: float | None = None

    def holds_zero(self) -> bool:
        """Return whether a difference is not significant. True where there is no interval."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high


class Choice(NamedTuple):
    """Random halves of the real and of the fakes, as many of each: a half's images a row."""

    real: Int[Tensor, "halves half_real"]
    fake: Int[Tensor, "halves half_fake"]


class Measured(NamedTuple):
    """Scores of all images, by name, the same scores of halves, and the kernel distance over subsets.

    `num_smaller` is the number of images of the smaller set.
    """

    values: dict[str, float]
    of_halves: dict[str, Float[Tensor, " halves"]]
    subsets: KernelSubsets
    num_smaller: int

    def scores(self) -> dict[str, Score]:
        """Return each value with its interval."""
        bounds = BOUNDS | {name: share_bounds(self.num_smaller, most) for name, most in SHARES.items()}
        return {
            name: _score(value, self.of_halves.get(name), bounds.get(name, ANYWHERE))
            for name, value in self.values.items()
        }

    def minus(self, other: Measured) -> dict[str, Score]:
        """Return the differences of two sets of fakes that were measured on the same halves of the real ones."""
        least = share_bounds(min(self.num_smaller, other.num_smaller)).least_reach
        bounds = dict.fromkeys(SHARES, Bounds(least_reach=least))
        found = {}
        for name in (name for name in self.values if name in other.values):
            mine, others = self.of_halves.get(name), other.of_halves.get(name)
            spread = None if mine is None or others is None else mine - others
            found[name] = _score(self.values[name] - other.values[name], spread, bounds.get(name, ANYWHERE))
        return found


def choose_halves(num_real: int, num_fakes: int, num_features: int, *, seed: int, fake_seed: int) -> Choice | None:
    """Halves for intervals; None where there are too few images.

    Two sets of fakes of the same sources share `fake_seed`, so that what their sources have in common drops out
    of their difference.
    """
    if min(num_real, num_fakes) < MIN_FOR_INTERVAL:
        return None
    number = num_resamples(max(num_real, num_fakes), num_features)
    return Choice(halves(num_real, number, seed), halves(num_fakes, number, fake_seed))


def num_resamples(count: int, num_features: int) -> int:
    """How many halves are affordable: 200 up to 1000 images, then fewer; 40 still give an error to about a tenth."""
    side = min(count // 2, num_features)
    return max(MIN_RESAMPLES, min(MAX_RESAMPLES, round(MAX_RESAMPLES * (AFFORDABLE_SIDE / max(side, 1)) ** 3)))


def measure(
    real: Float[Tensor, "n d"],
    fake: Float[Tensor, "m d"],
    similarity: Float[Tensor, " m"] | None,
    choice: Choice | None,
    seed: int = 0,
) -> Measured:
    """Return every score that these features give.

    Args:
        real, fake: features of at least two images each.
        similarity: of each fake to its source, where there are sources.
        choice: the halves for intervals.
        seed: of the kernel distance's subsets.
    """
    real, fake = real.double(), fake.double()
    products = inner_products(real, fake)
    values = _values(real, fake, products, similarity)
    rows = []
    for i, j in zip(choice.real, choice.fake, strict=True) if choice else ():
        kept = None if similarity is None else similarity[j]
        rows.append(_values(real[i], fake[j], products.part(i, j), kept))
    of_halves = (
        {name: torch.tensor([row[name] for row in rows], dtype=torch.float64) for name in values} if rows else {}
    )
    return Measured(values, of_halves, kernel_subsets(products, real.shape[1], seed), min(len(real), len(fake)))


def _values(
    real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], products: Products, similarity: Float[Tensor, " m"] | None
) -> dict[str, float]:
    values: dict[str, Any] = {
        "frechet": frechet_distance(real, fake),
        "kernel": kernel_distance(products, real.shape[1]),
    }
    if min(len(real), len(fake)) > NUM_NEIGHBOURS:
        values |= manifold(products)._asdict()
    if similarity is not None:
        values["similarity"] = similarity.mean().item()
    return values


def _score(value: float, of_halves: Float[Tensor, " halves"] | None, bounds: Bounds) -> Score:
    return Score(value) if of_halves is None else Score(value, *interval(value, of_halves, bounds))
