"""Which raters are left out by the rule of the study, and which assignment a new rater takes."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from scipy.special import bdtrc

from nicegan.study.definition import StudyDefinition
from nicegan.study.store import Rater, Vote
from nicegan.study.trials import Trial, num_assignments

IDLE_SECONDS = 1800  # without a vote, after which somebody else may take over a rater's assignment


class Repeats(NamedTuple):
    """Repeated trials that were answered twice, and those with the same answer both times."""

    num_same: int
    num_pairs: int


def repeats_of(trials: Sequence[Trial], votes: Sequence[Vote]) -> Repeats:
    """Return how often a rater gave a repeated trial the same answer again."""
    first = {trials[vote.trial].question: vote.chosen for vote in votes if trials[vote.trial].role == "counted"}
    again = [
        vote.chosen == first[trials[vote.trial].question]
        for vote in votes
        if trials[vote.trial].role == "repeat" and trials[vote.trial].question in first
    ]
    return Repeats(sum(again), len(again))


def reasons_to_leave_out(definition: StudyDefinition, trials: Sequence[Trial], votes: Sequence[Vote]) -> list[str]:
    """Return why the study's rule leaves a rater out, in words; nothing for a rater who counts.

    A rater who has not finished is held to the same rule, by the votes that are there.
    """
    rule, reasons = definition.rule, list[str]()
    real = [vote for vote in votes if trials[vote.trial].role != "practice"]
    obvious = [trials[vote.trial].is_right(vote.answer) for vote in real if trials[vote.trial].role == "obvious"]
    if obvious and sum(obvious) < rule.obvious_right * len(obvious):
        reasons.append(f"{sum(obvious)} of {len(obvious)} obvious trials right")
    repeats = repeats_of(trials, real)
    if repeats.num_pairs and repeats.num_same < rule.repeats_same * repeats.num_pairs:
        reasons.append(f"{repeats.num_same} of {repeats.num_pairs} repeated trials answered alike")
    seconds = median_seconds(real)
    if seconds is not None and seconds < rule.median_seconds:
        reasons.append(f"half of the answers within {seconds:.2f} seconds")
    num_late = len(late_trials(definition, votes) & {vote.trial for vote in real})
    if num_late > rule.late_share * len(real):
        reasons.append(f"{num_late} of {len(real)} answers late")
    if definition.kind != "real-or-fake" and (habit := _habit(trials, real)) and habit.probability < rule.position_p:
        reasons.append(f"position {habit.position + 1} chosen {habit.times} of {habit.num_votes} times")
    return reasons


def late_trials(definition: StudyDefinition, votes: Sequence[Vote]) -> set[int]:
    """Return the trials that a rater answered late, by the server's clock: none in a study that hides no image.

    A trial begins when the vote before it comes, so the first trial is never late.
    """
    if definition.seconds is None:
        return set()
    allowed = definition.seconds + definition.rule.late_seconds
    return {vote.trial for before, vote in pairwise(votes) if vote.voted_at - before.voted_at > allowed}


def median_seconds(votes: Sequence[Vote]) -> float | None:
    """Return the median time of an answer; None if the browser told none."""
    times = [vote.milliseconds for vote in votes if vote.milliseconds is not None]
    return statistics.median(times) / 1000 if times else None


class Habit(NamedTuple):
    """The position that was chosen most, and how probable so often is if positions play no part."""

    position: int
    times: int
    num_votes: int
    probability: float


def _habit(trials: Sequence[Trial], votes: Sequence[Vote]) -> Habit | None:
    """Return the habit of a rater; the probability is for any one position (Bonferroni)."""
    positions = [int(vote.answer) for vote in votes if vote.answer.isdecimal()]
    if not positions:
        return None
    num_positions = max(len(trials[vote.trial].pictures) for vote in votes)
    [(position, times)] = Counter(positions).most_common(1)
    tail = float(bdtrc(times - 1, len(positions), 1 / num_positions))
    return Habit(position, times, len(positions), min(1.0, tail * num_positions))


class AssignmentTable:
    """Which assignments are taken, done or free; done are those that a rater finished whom the rule does not leave out.

    Args:
        definition: of the study.
        num_trials: of a rater.
    """

    def __init__(self, definition: StudyDefinition, num_trials: int) -> None:
        self.num_assignments, self.num_trials = num_assignments(definition), num_trials

    def free(
        self, raters: Sequence[Rater], progress: Mapping[int, tuple[int, int]], left_out: set[int], now: float
    ) -> int | None:
        """Return the first assignment for a new rater; None if there is none now.

        Args:
            raters: all who joined.
            progress: of each rater the number of votes, and the time of the last one.
            left_out: numbers of raters who finished and do not count.
            now: seconds since 1970.
        """
        active, done = self._occupied(raters, progress, left_out, now)
        return next((assignment for assignment in range(self.num_assignments) if assignment not in active | done), None)

    def is_complete(self, raters: Sequence[Rater], progress: Mapping[int, tuple[int, int]], left_out: set[int]) -> bool:
        """Return whether every assignment is done."""
        return len(self._occupied(raters, progress, left_out, 0)[1]) == self.num_assignments

    def _occupied(
        self, raters: Sequence[Rater], progress: Mapping[int, tuple[int, int]], left_out: set[int], now: float
    ) -> tuple[set[int], set[int]]:
        active, done = set[int](), set[int]()
        for rater in raters:
            votes, last = progress[rater.number]
            if votes >= self.num_trials:
                done |= {rater.assignment} - ({rater.assignment} if rater.number in left_out else set())
            elif now - last < IDLE_SECONDS:
                active.add(rater.assignment)
        return active, done
