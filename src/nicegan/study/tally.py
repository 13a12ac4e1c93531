"""The votes of a study beside the trials that they answer, and what they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nicegan.errors import StudyError
from nicegan.study.definition import OpenStudy, StudyDefinition
from nicegan.study.raters import late_trials, reasons_to_leave_out
from nicegan.study.store import Rater, Vote, VoteStore
from nicegan.study.trials import CANNOT_TELL, SAYS_REAL, Trial, trials_of


class RaterRecord(NamedTuple):
    """All of one rater; `left_out` says why the rule leaves the rater out, and is empty for one who counts.

    `late` are the trials that were answered later than the rule of the study allows.
    """

    rater: Rater
    trials: list[Trial]
    votes: list[Vote]
    left_out: list[str]
    late: Set[int] = frozenset()

    @property
    def is_finished(self) -> bool:
        """Return whether every trial is answered."""
        return len(self.votes) == len(self.trials)

    def counted(self) -> list[tuple[Trial, Vote]]:
        """Return the trials that count, with their votes."""
        pairs = [(self.trials[vote.trial], vote) for vote in self.votes]
        return [(trial, vote) for trial, vote in pairs if trial.role == "counted"]


class Scores(NamedTuple):
    """What each label got, by rater and image: `won[l, r, i]` of `shown[l, r, i]` times it was there.

    A win is 1; where raters cannot tell, each of both gets 1/2; an answer "real" is a win of what was shown.
    Images that are compared with each other have one index; real images have indices of their own.
    """

    labels: tuple[str, ...]
    won: NDArray[np.float64]
    shown: NDArray[np.float64]


def read_records(study: OpenStudy, store: VoteStore) -> list[RaterRecord]:
    """Return all raters with their votes.

    Raises:
        StudyError: a vote is not one of the trials that the study gave its rater.
    """
    votes: dict[int, list[Vote]] = {}
    for vote in store.votes():
        votes.setdefault(vote.rater, []).append(vote)
    records = []
    for rater in store.raters():
        trials = trials_of(study.definition, rater.assignment, rater.number)
        theirs = votes.pop(rater.number, [])
        _refuse_strange(study, trials, theirs)
        reasons = reasons_to_leave_out(study.definition, trials, theirs)
        records.append(RaterRecord(rater, trials, theirs, reasons, late_trials(study.definition, theirs)))
    if votes:
        raise StudyError(f"{study.votes} holds votes of nobody (rater {min(votes)}): put a copy of it back")
    return records


def _refuse_strange(study: OpenStudy, trials: Sequence[Trial], votes: Sequence[Vote]) -> None:
    for number, vote in enumerate(votes):
        fits = vote.trial == number < len(trials) and vote.answer in trials[number].answers
        if fits:
            shown = "\t".join(picture.label for picture in trials[number].pictures)
            fits = (vote.shown, vote.subject) == (shown, trials[number].question.subject)
            fits = fits and vote.chosen == trials[number].chosen(vote.answer)
        if not fits:
            raise StudyError(
                f"{study.votes}: vote {vote.id} of rater {vote.rater} is no answer to trial {vote.trial + 1} of this "
                "study, so the database was changed: put a copy of it back"
            )


def add_up(definition: StudyDefinition, records: Iterable[RaterRecord]) -> Scores:
    """Return what each label got from these raters; raters without a vote that counts have no index."""
    rows = [counted for record in records if (counted := record.counted())]
    labels = definition.labels
    index = {label: number for number, label in enumerate(labels)}
    images: dict[tuple[bool, int], int] = {}
    cells: list[tuple[int, int, int, float]] = []
    for rater, counted in enumerate(rows):
        for trial, vote in counted:
            key = (definition.kind == "real-or-fake" and trial.pictures[0].label == "real", trial.question.subject)
            image = images.setdefault(key, len(images))
            for picture in trial.pictures:
                cells.append((index[picture.label], rater, image, _win(trial, vote, picture.label)))
    won = np.zeros((len(labels), len(rows), len(images)))
    shown = np.zeros_like(won)
    for label, rater, image, win in cells:
        won[label, rater, image] += win
        shown[label, rater, image] += 1
    return Scores(labels, won, shown)


def _win(trial: Trial, vote: Vote, label: str) -> float:
    if vote.answer == CANNOT_TELL:
        return 0.5
    if not vote.answer.isdecimal():
        return float(vote.answer == SAYS_REAL)
    return float(vote.chosen == label)
