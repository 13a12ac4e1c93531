"""Models of choice: how strong each method is, from choices of one among all (Luce) or of one of two (Bradley-Terry).

A weak prior keeps the strength of a method that always or never wins finite: half a vote for each method, or for
each of both in every pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import choix
import evalica
import numpy as np
import pandas as pd

from nicegan.study.intervals import Array, Estimate, Resamples, linear_interval, resample_sums
from nicegan.study.tally import RaterRecord

PRIOR_WINS = 0.5  # votes added to each method
PRIOR_TIES = 1.0  # votes "cannot tell" added to each pair
NUM_RESAMPLES = 400  # each is a fit


class Strength(NamedTuple):
    """The strength of a method on a log scale, 0 for the average one."""

    method: str
    strength: Estimate


def top_one_strengths(
    methods: Sequence[str], records: Sequence[RaterRecord], resamples: Resamples, t: float | None
) -> list[Strength]:
    """Return the strengths of Luce's model, P(best is m) = exp(s_m) / sum exp(s).

    Args:
        methods: all of them.
        records: raters, all of whose trials show every method.
        resamples: shares of the methods; with the same prior their logarithms are the strengths in resampled studies.
        t: the quantile for the intervals; None for no intervals.
    """
    index = {method: number for number, method in enumerate(methods)}
    data = []
    for record in records:
        for _, vote in record.counted():
            others = [index[label] for label in vote.shown.split("\t") if label != vote.chosen]
            data.append((index[vote.chosen], tuple(others)))
    values = _centred(np.asarray(choix.mm_top1(len(methods), data, alpha=PRIOR_WINS, max_iter=10_000)))
    logs = Resamples(*(_centred(np.log(part * len(data) + PRIOR_WINS)) for part in resamples))
    return _with_intervals(methods, values, logs, t)


def _centred(logs: Array) -> Array:
    return logs - logs.mean(-1, keepdims=True)


def _with_intervals(methods: Sequence[str], values: Array, resamples: Resamples, t: float | None) -> list[Strength]:
    unit = np.eye(len(methods))
    return [
        Strength(method, linear_interval(float(values[number]), resamples, unit[number], t))
        for number, method in enumerate(methods)
    ]


class PairTable(NamedTuple):
    """Votes of each pair of methods: `counts[p, 0]` for the first, `[p, 1]` for the second, `[p, 2]` for neither.

    `cells` is the same by rater and image, (3 pairs, raters, images).
    """

    pairs: list[tuple[str, str]]
    cells: Array

    @property
    def counts(self) -> Array:
        """Return the votes of all raters on all images, (pairs, 3)."""
        return self.cells.sum((1, 2)).reshape(-1, 3)


def pair_table(methods: Sequence[str], records: Sequence[RaterRecord]) -> PairTable:
    """Return the votes of each pair of methods."""
    pairs = list(combinations(methods, 2))
    number = {pair: index for index, pair in enumerate(pairs)}
    rows = [counted for record in records if (counted := record.counted())]
    num_images = 1 + max((trial.question.subject for row in rows for trial, _ in row), default=0)
    cells = np.zeros((3 * len(pairs), len(rows), num_images))
    for rater, row in enumerate(rows):
        for trial, vote in row:
            pair = trial.question.labels
            outcome = pair.index(vote.chosen) if vote.chosen in pair else 2
            cells[3 * number[pair[0], pair[1]] + outcome, rater, trial.question.subject] += 1
    return PairTable(pairs, cells)


def bradley_terry(methods: Sequence[str], table: PairTable, t: float | None, seed: int) -> list[Strength]:
    """Return the strengths of the Bradley-Terry model, P(a beats b) = 1 / (1 + exp(s_b - s_a)), with intervals.

    Args:
        methods: all of them.
        table: votes of pairs; "cannot tell" is half a win for each.
        t: the quantile for the intervals; None for no intervals.
        seed: of the resampling.
    """
    values = _fit(methods, table.pairs, table.counts)
    sums = resample_sums(table.cells, seed, NUM_RESAMPLES if t else 1)
    fits = Resamples(*(np.array([_fit(methods, table.pairs, one.reshape(-1, 3)) for one in part]) for part in sums))
    return _with_intervals(methods, values, fits, t)


def _fit(methods: Sequence[str], pairs: Sequence[tuple[str, str]], counts: Array) -> Array:
    """Return log strengths around 0 of votes (pairs, 3)."""
    outcomes = (evalica.Winner.X, evalica.Winner.Y, evalica.Winner.Draw)
    weights = counts + np.array([0.0, 0.0, PRIOR_TIES])
    found = evalica.bradley_terry(
        [one for one, _ in pairs for _ in outcomes],
        [other for _, other in pairs for _ in outcomes],
        [outcome for _ in pairs for outcome in outcomes],
        index=pd.Index(list(methods)),
        weights=weights.ravel().tolist(),
        tolerance=1e-8,
        limit=10_000,
    )
    return _centred(np.log(found.scores.reindex(list(methods)).to_numpy()))
