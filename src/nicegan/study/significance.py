"""Which tests a kind of study has: of each label, and of all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from nicegan.study.chance import OverallTest, binomial_p, holm, independence_p, multinomial_p, pairs_p
from nicegan.study.definition import REAL, StudyDefinition
from nicegan.study.tally import RaterRecord
from nicegan.study.trials import SAYS_REAL

NULL = {
    "best": "raters see no difference, so that every method is chosen equally often",
    "pairs": "raters see no difference, so that a choice between two is a toss (votes for neither are left out)",
    "real-or-fake": "outputs are called real as often as real images",
}


class Significance(NamedTuple):
    """The p-value of each label against chance (Holm's), and that of all together."""

    of_labels: list[float]
    overall: OverallTest


def significance(definition: StudyDefinition, records: Sequence[RaterRecord], seed: int) -> Significance:
    """Return the tests of a study, each against what `NULL` says of its kind."""
    votes = [(trial, vote) for record in records for trial, vote in record.counted()]
    if definition.kind == "real-or-fake":
        return _of_answers(definition, Counter((trial.pictures[0].label, vote.answer) for trial, vote in votes))
    chosen = Counter((vote.chosen, trial.question.labels) for trial, vote in votes)
    if definition.kind == "pairs":
        return _of_pairs(definition.methods, chosen, seed)
    wins = [chosen[method, definition.methods] for method in definition.methods]
    p_values = [binomial_p(won, sum(wins), 1 / len(wins)) for won in wins]
    return Significance(holm(p_values), multinomial_p(wins, seed))


def _of_pairs(methods: Sequence[str], chosen: Counter[tuple[str, tuple[str, ...]]], seed: int) -> Significance:
    pairs = list(combinations(methods, 2))
    won = {pair: (chosen[pair[0], pair], chosen[pair[1], pair]) for pair in pairs}
    p_values = []
    for method in methods:
        wins = sum(won[pair][pair.index(method)] for pair in pairs if method in pair)
        count = sum(sum(won[pair]) for pair in pairs if method in pair)
        p_values.append(binomial_p(wins, count, 0.5))
    indices = [(methods.index(one), methods.index(other)) for one, other in pairs]
    first, second = [won[pair][0] for pair in pairs], [won[pair][1] for pair in pairs]
    overall = multinomial_p([*first, *second], seed) if len(pairs) == 1 else pairs_p(first, second, indices, seed)
    return Significance(holm(p_values), overall)


def _of_answers(definition: StudyDefinition, answers: Counter[tuple[str, str]]) -> Significance:
    """Return each method's test against the real images; the last label is that of those, against all outputs."""

    def counts(labels: Sequence[str]) -> tuple[int, int]:
        real = sum(answers[label, SAYS_REAL] for label in labels)
        return real, sum(count for (label, _), count in answers.items() if label in labels) - real

    of_real = counts([REAL])
    p_values = [independence_p(counts([method]), of_real) for method in definition.methods]
    overall = independence_p(counts(definition.methods), of_real)
    return Significance([*holm(p_values), overall], OverallTest(overall, "exact"))
