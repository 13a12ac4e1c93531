"""How far raters agree with each other, and with themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import evalica
import pandas as pd

from nicegan.study.raters import Repeats, repeats_of
from nicegan.study.tally import RaterRecord


def krippendorff_alpha(records: Sequence[RaterRecord]) -> float | None:
    """Return Krippendorff's alpha of nominal answers: 1 is full agreement, 0 is chance; None where it has no value."""
    ratings: dict[int, dict[object, str]] = {}
    for record in records:
        if counted := record.counted():
            ratings[record.rater.number] = {trial.question: vote.chosen for trial, vote in counted}
    answers = Counter(question for row in ratings.values() for question in row)
    shared = [question for question, count in answers.items() if count > 1]
    given = {row.get(question) for row in ratings.values() for question in shared} - {None}
    if not shared or len(given) < 2:
        return None
    table = pd.DataFrame([[row.get(question) for question in shared] for row in ratings.values()], dtype=object)
    return float(evalica.alpha(table).alpha)


class SelfAgreement(NamedTuple):
    """Repeated trials: how many of how many got the same answer again, and the share if answers were by chance."""

    repeats: Repeats
    by_chance: float | None


def self_agreement(records: Sequence[RaterRecord]) -> SelfAgreement:
    """Return how often raters gave a repeated trial the same answer again."""
    found = [repeats_of(record.trials, record.votes) for record in records]
    answers = Counter(vote.chosen for record in records for _, vote in record.counted())
    total = answers.total()
    by_chance = sum((count / total) ** 2 for count in answers.values()) if total else None
    return SelfAgreement(Repeats(sum(one.num_same for one in found), sum(one.num_pairs for one in found)), by_chance)
