"""What a rater sees, in which order: a function of the study's definition, the rater's number and assignment."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from itertools import combinations, count, cycle, islice
from typing import Literal, NamedTuple, TypeVar

from nicegan.study.definition import REAL, Kind, StudyDefinition

Thing = TypeVar("Thing")
Role = Literal["practice", "counted", "repeat", "obvious"]
CANNOT_TELL, SAYS_REAL, SAYS_FAKE = "cannot-tell", "real", "fake"
WHOLE, DAMAGED = "whole", "damaged"  # labels of an obvious trial


class Question(NamedTuple):
    """An image and the labels that are rated on it, without order; `subject` counts real images where it is one."""

    subject: int
    labels: tuple[str, ...]


class Picture(NamedTuple):
    """What stands at one position: its label (a method, "real", "whole", "damaged"), and its file."""

    label: str
    file: str


Planned = tuple[Role, Question | int]  # a question, or the index of an obvious trial


class Trial(NamedTuple):
    """One trial of one rater: the pictures from left to right, and beside them a source or reference image."""

    role: Role
    question: Question
    pictures: tuple[Picture, ...]
    context: dict[str, str]
    answers: tuple[str, ...]

    def chosen(self, answer: str) -> str:
        """Return the label that an answer stands for; other answers stand for themselves."""
        return self.pictures[int(answer)].label if answer.isdecimal() else answer

    def is_right(self, answer: str) -> bool:
        """Return whether an answer to an obvious trial is the obvious one."""
        return self.chosen(answer) in (WHOLE, SAYS_FAKE)


def shuffled(things: Iterable[Thing], *context: object) -> list[Thing]:
    """Return the things in an order that follows from the context alone, in every version of Python."""

    def key(numbered: tuple[int, Thing]) -> bytes:
        return hashlib.sha256(repr((*context, numbered[0])).encode()).digest()

    return [thing for _, thing in sorted(enumerate(things), key=key)]


def all_questions(definition: StudyDefinition) -> tuple[Question, ...]:
    """Return every question of the study, each to be answered `votes_per_image` times."""
    num_images = len(definition.subjects), len(definition.real_images)
    return _questions(definition.kind, definition.methods, *num_images)


@lru_cache(maxsize=8)
def _questions(kind: Kind, methods: tuple[str, ...], num_subjects: int, num_real: int) -> tuple[Question, ...]:
    subjects = range(num_subjects)
    if kind == "best":
        return tuple(Question(subject, methods) for subject in subjects)
    if kind == "pairs":
        return tuple(Question(subject, pair) for subject in subjects for pair in combinations(methods, 2))
    fakes = [Question(subject, (method,)) for subject in subjects for method in methods]
    return (*fakes, *(Question(number, (REAL,)) for number in range(num_real)))


def num_assignments(definition: StudyDefinition) -> int:
    """Return how many raters it takes to answer every question `votes_per_image` times."""
    return len(_assignments_of(definition))


def _assignments_of(definition: StudyDefinition) -> list[list[int]]:
    num_questions = len(all_questions(definition))
    return _assignments(definition.seed, num_questions, definition.trials, definition.votes_per_image)


@lru_cache(maxsize=8)
def _assignments(seed: int, num_questions: int, trials: int, votes: int) -> list[list[int]]:
    """Return the questions of each assignment: rounds of all questions, each in its own order, none dealt twice.

    There are as many assignments as it takes until every question is dealt `votes` times.
    """
    dealt: list[list[int]] = []
    times, waiting, rounds = [0] * num_questions, deque[int](), count()
    num_short = num_questions  # questions that were dealt less than `votes` times
    while num_short:
        hand: list[int] = []
        later: list[int] = []
        while len(hand) < trials:
            if not waiting:
                waiting.extend(shuffled(range(num_questions), seed, "round", next(rounds)))
            question = waiting.popleft()
            (later if question in hand else hand).append(question)
        waiting.extendleft(reversed(later))
        for question in hand:
            times[question] += 1
            num_short -= times[question] == votes
        dealt.append(hand)
    return dealt


def questions_of(definition: StudyDefinition, assignment: int) -> list[Question]:
    """Return the questions that count of one assignment, none of them twice."""
    questions = all_questions(definition)
    return [questions[index] for index in _assignments_of(definition)[assignment]]


def trials_of(definition: StudyDefinition, assignment: int, rater: int) -> list[Trial]:
    """Return all trials of a rater, in order: practice first, then the counted ones, with repeats and obvious ones.

    A repeated trial comes first in the first half of the counted ones, and again among the second half.
    """
    seed = definition.seed
    counted = shuffled(questions_of(definition, assignment), seed, rater, "order")
    half = -(-len(counted) // 2)
    repeated = shuffled(counted[:half], seed, rater, "repeats")[: definition.repeats]
    chosen = shuffled(range(len(definition.obvious_trials)), seed, rater, "obvious")
    obvious = [chosen[index % len(chosen)] for index in range(definition.obvious)]
    early, late = obvious[: len(obvious) // 2], obvious[len(obvious) // 2 :]
    first: list[Planned] = [*_as("counted", counted[:half]), *_as("obvious", early)]
    second: list[Planned] = [*_as("counted", counted[half:]), *_as("repeat", repeated), *_as("obvious", late)]
    planned = [
        *_as("practice", _practice(definition, counted, rater)),
        *shuffled(first, seed, rater, "first"),
        *shuffled(second, seed, rater, "second"),
    ]
    return [_trial(definition, rater, number, *one) for number, one in enumerate(planned)]


def _as(role: Role, things: Iterable[Question | int]) -> list[Planned]:
    return [(role, thing) for thing in things]


def _practice(definition: StudyDefinition, counted: list[Question], rater: int) -> list[Question]:
    """Return questions for practice: others than the counted ones, as far as there are enough."""
    questions, wanted = all_questions(definition), definition.practice
    first = int(hashlib.sha256(repr((definition.seed, rater, "practice")).encode()).hexdigest(), 16) % len(questions)
    taken = set(counted)
    turned = (questions[(first + step) % len(questions)] for step in range(len(questions)))
    found = list(islice((question for question in turned if question not in taken), wanted))
    return [*found, *islice(cycle(counted), wanted - len(found))]


def _trial(definition: StudyDefinition, rater: int, number: int, role: Role, what: Question | int) -> Trial:
    if isinstance(what, int):
        pictures, question = _obvious(definition, what)
    else:
        pictures, question = [Picture(label, _file(definition, what.subject, label)) for label in what.labels], what
    ordered = tuple(shuffled(pictures, definition.seed, rater, "positions", number))
    answers = tuple(map(str, range(len(ordered))))
    if definition.kind == "pairs":
        answers = (*answers, CANNOT_TELL)
    elif definition.kind == "real-or-fake":
        answers = (SAYS_REAL, SAYS_FAKE)
    return Trial(role, question, ordered, _context(definition, question.subject), answers)


def _obvious(definition: StudyDefinition, index: int) -> tuple[list[Picture], Question]:
    found = definition.obvious_trials[index]
    pictures = [Picture(DAMAGED, file) for file in found.damaged]
    if definition.kind != "real-or-fake":
        pictures.insert(0, Picture(WHOLE, found.whole))
    return pictures, Question(found.subject, tuple(picture.label for picture in pictures))


def _file(definition: StudyDefinition, subject: int, label: str) -> str:
    return definition.real_images[subject] if label == REAL else definition.subjects[subject].outputs[label]


def _context(definition: StudyDefinition, subject: int) -> dict[str, str]:
    """Return the files beside the pictures: "source", "reference", both or none."""
    if definition.show == "none":
        return {}
    found = definition.subjects[subject]
    shown = ("source", "reference") if definition.show == "both" else (definition.show,)
    return {name: file for name in shown if (file := getattr(found, name)) is not None}
