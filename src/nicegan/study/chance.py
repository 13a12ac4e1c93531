"""Exact tests against raters who see no difference.

If the outputs are the same to a rater, whatever habits of position the rater has, then the method at the chosen
position is a uniform one, and independent of all other trials, since positions were shuffled for each trial by itself.
So the counts are multinomial without any assumption about raters.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from math import comb
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln
from scipy.stats import binomtest, fisher_exact

MOST_OUTCOMES = 200_000  # that are listed; beyond, the p-value is simulated
NUM_SIMULATED = 100_000


class OverallTest(NamedTuple):
    """A p-value, and how it was found: "exact", or "simulated" where there are too many outcomes to list."""

    p_value: float
    way: str


def binomial_p(wins: int, count: int, chance: float) -> float:
    """Return the two-sided exact p-value of so many wins; 1 where nothing was counted."""
    return float(binomtest(wins, count, chance).pvalue) if count else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that all of them together err in at most 5 % of studies (Holm, 1979)."""
    order = np.argsort(p_values)
    adjusted, highest = np.empty(len(p_values)), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted.tolist()


def multinomial_p(counts: Sequence[int], seed: int = 0) -> OverallTest:
    """Return the probability, under equal chances, of counts that are no more probable than these."""
    total, kinds = sum(counts), len(counts)
    if total == 0 or kinds < 2:
        return OverallTest(1.0, "exact")
    observed = _log_probability(np.array([counts]), kinds)[0]
    if comb(total + kinds - 1, kinds - 1) <= MOST_OUTCOMES:
        found = _log_probability(_outcomes(total, kinds), kinds)
        p_value = float(np.exp(found[found <= observed + 1e-9]).sum())
        return OverallTest(min(1.0, p_value), "exact")
    random = np.random.default_rng(seed)
    found = _log_probability(random.multinomial(total, np.full(kinds, 1 / kinds), NUM_SIMULATED), kinds)
    return OverallTest((1 + int((found <= observed + 1e-9).sum())) / (1 + NUM_SIMULATED), "simulated")


def independence_p(one: tuple[int, int], other: tuple[int, int]) -> float:
    """Return Fisher's exact p-value that two counts (yes, no) have one probability of yes."""
    return float(fisher_exact([one, other]).pvalue) if sum(one) and sum(other) else 1.0  # pyright: ignore


def pairs_p(
    first: Sequence[int], second: Sequence[int], pairs: Sequence[tuple[int, int]], seed: int = 0
) -> OverallTest:
    """Return the probability, if every vote of a pair is a toss, of methods that are at least so unequal.

    Unequal is the sum over methods of (wins - losses)^2.

    Args:
        first: votes for the first method of each pair.
        second: votes for the second one.
        pairs: indices of the methods of each pair.
        seed: of the simulation.
    """
    counts = np.add(first, second)
    if not counts.sum():
        return OverallTest(1.0, "exact")
    signs = np.zeros((len(pairs), 1 + max(max(pair) for pair in pairs)))
    for number, (one, other) in enumerate(pairs):
        signs[number, one], signs[number, other] = 1, -1
    tossed = np.random.default_rng(seed).binomial(counts, 0.5, (NUM_SIMULATED, len(pairs)))
    simulated = (((2 * tossed - counts) @ signs) ** 2).sum(1)
    observed = ((np.subtract(first, second) @ signs) ** 2).sum()
    return OverallTest((1 + int((simulated >= observed - 1e-9).sum())) / (1 + NUM_SIMULATED), "simulated")


def _outcomes(total: int, kinds: int) -> np.ndarray:
    """Return every way to share `total` among `kinds`, (ways, kinds): bars between stars."""
    bars = np.array(list(combinations_with_replacement(range(total + 1), kinds - 1)))
    edges = np.concatenate([np.zeros((len(bars), 1), int), bars, np.full((len(bars), 1), total)], axis=1)
    return np.diff(edges, axis=1)


def _log_probability(counts: np.ndarray, kinds: int) -> np.ndarray:
    total = counts[0].sum()
    return gammaln(total + 1) - gammaln(counts + 1).sum(1) - total * np.log(kinds)
