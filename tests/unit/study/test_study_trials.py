"""What a rater sees is a function of the study, the assignment and the rater; every question gets its votes."""

from collections import Counter

import pytest
from tests.study_raters import METHODS, define_study

from nicegan.study.definition import StudyDefinition
from nicegan.study.trials import CANNOT_TELL, all_questions, num_assignments, questions_of, shuffled, trials_of

PAIRS = {"kind": "pairs", "trials": 10}
REAL_OR_FAKE = {
    "kind": "real-or-fake",
    "show": "none",
    "trials": 10,
    "real_images": tuple(f"{number:064x}" for number in range(7)),
}


def kinds() -> list[StudyDefinition]:
    return [define_study(7, votes_per_image=3, **changes) for changes in ({}, {"trials": 5}, PAIRS, REAL_OR_FAKE)]


@pytest.mark.parametrize("definition", kinds(), ids=lambda study: f"{study.kind}-{study.trials}")
def test_every_question_gets_its_votes_and_no_rater_answers_one_twice(definition: StudyDefinition) -> None:
    votes = Counter()
    for assignment in range(num_assignments(definition)):
        questions = questions_of(definition, assignment)
        assert len(set(questions)) == len(questions) == definition.trials
        votes.update(questions)
    assert set(votes) == set(all_questions(definition))
    assert min(votes.values()) >= 3
    assert max(votes.values()) <= 4


@pytest.mark.parametrize(("count", "trials", "votes"), [(5, 4, 1), (5, 3, 7), (3, 2, 5), (11, 10, 4), (2, 2, 3)])
def test_every_question_gets_its_votes_whatever_the_numbers(count: int, trials: int, votes: int) -> None:
    definition = define_study(count, trials=trials, votes_per_image=votes, repeats=0)
    dealt = Counter(
        question
        for assignment in range(num_assignments(definition))
        for question in questions_of(definition, assignment)
    )
    assert min(dealt.values()) >= votes
    assert len(dealt) == count


@pytest.mark.parametrize("definition", kinds(), ids=lambda study: f"{study.kind}-{study.trials}")
def test_a_rater_gets_practice_counted_repeated_and_obvious_trials(definition: StudyDefinition) -> None:
    trials = trials_of(definition, 1, 2)
    roles = Counter(trial.role for trial in trials)
    assert roles == {"practice": 1, "counted": definition.trials, "repeat": 2, "obvious": 4}
    assert trials[0].role == "practice"
    for number, trial in enumerate(trials):
        if trial.role == "repeat":
            earlier = [n for n in range(number) if trials[n].role == "counted" and trials[n].question == trial.question]
            assert earlier, "a repeat comes after its first time"
        if trial.role == "obvious":
            assert sum(trial.is_right(answer) for answer in trial.answers) == 1


def test_pairs_can_be_undecided_and_real_or_fake_shows_one_image() -> None:
    pair = trials_of(define_study(7, **PAIRS), 0, 1)[3]
    assert pair.answers == ("0", "1", CANNOT_TELL)
    assert trials_of(define_study(7, **REAL_OR_FAKE), 0, 1)[3].answers == ("real", "fake")
    assert {len(trial.pictures) for trial in trials_of(define_study(7, **REAL_OR_FAKE), 0, 1)} == {1}


def test_the_same_seed_gives_the_same_trials_and_another_one_others() -> None:
    one = trials_of(define_study(7), 0, 1)
    assert one == trials_of(define_study(7), 0, 1)
    assert one != trials_of(define_study(7), 0, 2), "another rater with the same assignment"
    assert one != trials_of(define_study(7, seed=1), 0, 1)
    assert shuffled("abcdef", 1, "x") == list("fbcdae"), "this order must never change: studies depend on it"


def test_every_method_stands_at_every_position_equally_often() -> None:
    definition = define_study(30, votes_per_image=20)
    positions: Counter[tuple[str, int]] = Counter()
    for assignment in range(20):
        for trial in trials_of(definition, assignment, assignment):
            if trial.role == "counted":
                positions.update((picture.label, index) for index, picture in enumerate(trial.pictures))
    assert len(positions) == len(METHODS) ** 2
    assert all(110 <= count <= 190 for count in positions.values()), positions  # 150 +- 4 standard deviations
