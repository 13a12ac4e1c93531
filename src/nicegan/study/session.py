"""A study while raters answer: who joins, what they see, and which answers are taken."""

from __future__ import annotations

import re
import time
from threading import Lock
from typing import NamedTuple

from nicegan.study.definition import OpenStudy
from nicegan.study.raters import AssignmentTable, reasons_to_leave_out
from nicegan.study.store import Rater, Vote, VoteStore
from nicegan.study.trials import Trial, trials_of

KEY = re.compile(r"[0-9a-f]{32}")
VOTE_ID = re.compile(r"[0-9a-f-]{16,40}")
LONGEST = 24 * 3600 * 1000  # milliseconds that an answer can take


class NotAVote(Exception):  # noqa: N818
    """What was sent is no answer to a trial of this rater."""


class NoAssignment(Exception):  # noqa: N818
    """Nobody can join now; `complete` says whether that is for ever."""

    def __init__(self, *, complete: bool) -> None:
        super().__init__()
        self.complete = complete


class Now(NamedTuple):
    """Where a rater is: the trial at hand, None at the end; the one after it; and how many there are."""

    number: int
    num_trials: int
    trial: Trial | None
    following: Trial | None


class Session:
    """Answers what the pages ask, from the study's definition and its database.

    Args:
        study: the study.
        store: its votes.
    """

    def __init__(self, study: OpenStudy, store: VoteStore) -> None:
        self.study, self.store = study, store
        self._trials: dict[int, list[Trial]] = {}
        self._left_out: dict[int, bool] = {}  # of raters who have finished
        self._joining = Lock()
        self.num_trials = len(trials_of(study.definition, 0, 0))
        self._assignments = AssignmentTable(study.definition, self.num_trials)

    def trials(self, rater: Rater) -> list[Trial]:
        """Return all trials of a rater."""
        if rater.number not in self._trials:
            self._trials[rater.number] = trials_of(self.study.definition, rater.assignment, rater.number)
        return self._trials[rater.number]

    def join(self, key: str) -> Rater:
        """Return the rater of a key, who takes a free assignment if the key is new.

        Raises:
            NotAVote: it is no key.
            NoAssignment: all assignments are taken.
        """
        if not KEY.fullmatch(key):
            raise NotAVote
        with self._joining:
            if known := self.store.rater(key):
                return known
            raters, progress = self.store.raters(), self.store.progress()
            left_out = {rater.number for rater in raters if self._is_left_out(rater, progress[rater.number][0])}
            assignment = self._assignments.free(raters, progress, left_out, time.time())
            if assignment is None:
                raise NoAssignment(complete=self._assignments.is_complete(raters, progress, left_out))
            return self.store.add_rater(key, assignment)

    def _is_left_out(self, rater: Rater, num_votes: int) -> bool:
        if num_votes < self.num_trials:
            return False
        if rater.number not in self._left_out:
            votes = self.store.votes(rater.number)
            reasons = reasons_to_leave_out(self.study.definition, self.trials(rater), votes)
            self._left_out[rater.number] = bool(reasons)
        return self._left_out[rater.number]

    def rater(self, key: str) -> Rater | None:
        """Return the rater of a link."""
        return self.store.rater(key) if KEY.fullmatch(key) else None

    def now(self, rater: Rater) -> Now:
        """Return where a rater is."""
        trials, number = self.trials(rater), self.store.num_votes(rater.number)
        trial = trials[number] if number < len(trials) else None
        following = trials[number + 1] if number + 1 < len(trials) else None
        return Now(number, len(trials), trial, following)

    def picture(self, rater: Rater, number: int, slot: str) -> str | None:
        """Return the file that a rater may see in a trial, the present one or one beside it; None for all others."""
        at = self.store.num_votes(rater.number)
        trials = self.trials(rater)
        if not (0 <= number < len(trials) and at - 1 <= number <= at + 1):
            return None
        trial = trials[number]
        if slot in trial.context:
            return trial.context[slot]
        if slot.isascii() and slot.isdecimal() and len(slot) <= 3 and int(slot) < len(trial.pictures):
            return trial.pictures[int(slot)].file
        return None

    def vote(self, rater: Rater, fields: dict[str, str]) -> None:
        """Keep an answer; the same one again changes nothing.

        Args:
            rater: who answers.
            fields: trial, answer, id and milliseconds; the last one may be empty.

        Raises:
            NotAVote: a trial that there is not, an answer that it does not have, or fields of another form.
            VoteConflict: the trial has another answer already, or is not the next one.
            CannotKeepError: the disk does not take it.
        """
        trials = self.trials(rater)
        number, told = _whole(fields.get("trial", "")), fields.get("milliseconds", "")
        milliseconds = _whole(told)
        identity, answer = fields.get("id", ""), fields.get("answer", "")
        if number is None or number >= len(trials) or not VOTE_ID.fullmatch(identity):
            raise NotAVote
        if answer not in trials[number].answers or (told and milliseconds is None):
            raise NotAVote
        shown = "\t".join(picture.label for picture in trials[number].pictures)
        chosen, subject = trials[number].chosen(answer), trials[number].question.subject
        taken, now = None if milliseconds is None else min(milliseconds, LONGEST), int(time.time())
        self.store.add_vote(Vote(identity, rater.number, number, subject, answer, chosen, shown, taken, now))


def _whole(text: str) -> int | None:
    """Return a number of at most nine digits; None for any other text."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
