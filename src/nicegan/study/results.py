"""The results of a study: shares with intervals, tests, models, agreement, for the raters who count and for all."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from nicegan.study.agreement import SelfAgreement, krippendorff_alpha, self_agreement
from nicegan.study.chance import OverallTest
from nicegan.study.definition import OpenStudy, StudyDefinition
from nicegan.study.intervals import (
    Estimate,
    Resamples,
    linear_interval,
    newcombe,
    quantile,
    resample_shares,
    share_intervals,
)
from nicegan.study.models import Strength, bradley_terry, pair_table, top_one_strengths
from nicegan.study.significance import significance
from nicegan.study.tally import RaterRecord, Scores, add_up
from nicegan.study.trials import all_questions, num_assignments


class LabelRow(NamedTuple):
    """One method, or the real images: what it won of the times it was shown, and whether chance explains that.

    `p_value` is Holm's over all rows.
    """

    label: str
    won: float
    shown: int
    share: Estimate
    p_value: float


class DifferenceRow(NamedTuple):
    """The share of one label minus that of another."""

    one: str
    other: str
    difference: Estimate


class Group(NamedTuple):
    """What a group of raters says."""

    num_raters: int
    num_votes: int
    rows: list[LabelRow]
    differences: list[DifferenceRow]
    overall: OverallTest
    strengths: list[Strength]
    alpha: float | None
    repeats: SelfAgreement


class Times(NamedTuple):
    """Seconds of an answer (quartiles), and minutes of a rater (median)."""

    lower: float
    median: float
    upper: float
    minutes: float


class Results(NamedTuple):
    """All that the report says: `counted` without the raters whom the rule leaves out, `everybody` with them.

    `votes_per_question` tells the fewest, median and most answers of raters who count.
    """

    study: OpenStudy
    records: list[RaterRecord]
    counted: Group
    everybody: Group
    votes_per_question: tuple[int, float, int]
    times: Times | None

    @property
    def definition(self) -> StudyDefinition:
        """Return what decides the study."""
        return self.study.definition

    @property
    def left_out(self) -> list[RaterRecord]:
        """Return the raters whom the rule leaves out."""
        return [record for record in self.records if record.left_out]

    @property
    def num_late(self) -> int:
        """Return how many of the votes that count came late."""
        kept = [record for record in self.records if not record.left_out]
        return sum(vote.trial in record.late for record in kept for _, vote in record.counted())

    @property
    def chance(self) -> float:
        """Return the share of a method if raters saw no difference."""
        return 1 / len(self.definition.methods) if self.definition.kind == "best" else 0.5

    @property
    def is_complete(self) -> bool:
        """Return whether every question has its votes, by raters who count."""
        return self.votes_per_question[0] >= self.definition.votes_per_image

    @property
    def num_assignments(self) -> int:
        """Return how many raters the study needs."""
        return num_assignments(self.definition)


def compute_results(study: OpenStudy, records: list[RaterRecord]) -> Results:
    """Return the results of the votes that there are; raters who have not finished count as far as they came."""
    voting = [record for record in records if record.votes]
    kept = [record for record in voting if not record.left_out]
    counted = _group(study.definition, kept)
    everybody = counted if len(kept) == len(voting) else _group(study.definition, voting)
    return Results(study, voting, counted, everybody, _votes_per_question(study.definition, kept), _times(kept))


def _group(definition: StudyDefinition, records: Sequence[RaterRecord]) -> Group:
    scores = add_up(definition, records)
    seed = definition.seed % 2**32
    num_votes = sum(len(record.counted()) for record in records)
    tests = significance(definition, records, seed)
    resamples = resample_shares(scores, seed)
    rows, differences = _shares(scores, tests.of_labels, resamples) if num_votes else ([], [])
    return Group(
        num_raters=scores.won.shape[1],
        num_votes=num_votes,
        rows=rows,
        differences=differences,
        overall=tests.overall,
        strengths=_strengths(definition, records, scores, resamples) if num_votes else [],
        alpha=krippendorff_alpha(records),
        repeats=self_agreement(records),
    )


def _shares(
    scores: Scores, p_values: Sequence[float], resamples: Resamples
) -> tuple[list[LabelRow], list[DifferenceRow]]:
    estimates, t = share_intervals(scores, resamples), quantile(scores)
    won, shown = scores.won.sum((1, 2)), scores.shown.sum((1, 2))
    rows = [
        LabelRow(label, float(won[n]), int(shown[n]), estimates[n], p_values[n])
        for n, label in enumerate(scores.labels)
        if shown[n]
    ]
    differences = []
    for one, other in combinations(np.flatnonzero(shown), 2):
        contrast = np.eye(len(shown))[one] - np.eye(len(shown))[other]
        value = estimates[one].value - estimates[other].value
        difference = linear_interval(value, resamples, contrast, t)
        if difference.low == difference.high:  # all agree, which says something of other raters, but not everything
            difference = newcombe(estimates[one], estimates[other])
        differences.append(DifferenceRow(scores.labels[one], scores.labels[other], difference))
    return rows, differences


def _strengths(
    definition: StudyDefinition, records: Sequence[RaterRecord], scores: Scores, resamples: Resamples
) -> list[Strength]:
    methods, t = definition.methods, quantile(scores)
    if definition.kind == "best":
        return top_one_strengths(methods, records, resamples, t)
    if definition.kind == "pairs":
        return bradley_terry(methods, pair_table(methods, records), t, definition.seed % 2**32)
    return []


def _votes_per_question(definition: StudyDefinition, records: Sequence[RaterRecord]) -> tuple[int, float, int]:
    answers = Counter(trial.question for record in records for trial, _ in record.counted())
    counts = [answers[question] for question in all_questions(definition)]
    return min(counts), statistics.median(counts), max(counts)


def _times(records: Sequence[RaterRecord]) -> Times | None:
    counted = [vote.milliseconds for record in records for _, vote in record.counted()]
    seconds = [milliseconds / 1000 for milliseconds in counted if milliseconds is not None]
    if not seconds:
        return None
    lower, median, upper = np.quantile(seconds, [0.25, 0.5, 0.75]).tolist()
    minutes = statistics.median(sum(vote.milliseconds or 0 for vote in record.votes) / 60_000 for record in records)
    return Times(lower, median, upper, minutes)
