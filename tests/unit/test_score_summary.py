"""One sentence on a run's scores."""

import pytest

from nicegan.score_summary import score_summary


def lines(*values: float, untranslated: float = 2.0) -> list[dict[str, float]]:
    return [
        {"step": 100.0 * number, "score/kernel_distance": value, "score/no_translation": untranslated}
        for number, value in enumerate(values, 1)
    ]


CASES: list[tuple[tuple[float, ...], str]] = [
    ((1.9, 1.8, 1.7, 1.6), "KD 1.6 against 2 for no translation; still falling: train longer"),
    ((1.9, 1.2, 1.3, 1.4, 1.5, 1.6), "KD 1.2 against 2 for no translation; not better since step 200"),
    ((2.4, 2.3), "KD 2.3 against 2 for no translation: no better than leaving the images as they are"),
]


@pytest.mark.parametrize(("values", "said"), CASES)
def test_the_sentence(values: tuple[float, ...], said: str) -> None:
    assert score_summary(lines(*values), "KD") == said


def test_nothing_is_said_before_the_first_score_and_another_score_begins_anew() -> None:
    assert score_summary([{"step": 1.0, "generator/A/cycle": 2.0}]) is None
    other = [{"step": 50.0, "score/sliced_wasserstein": 0.5, "score/no_translation": 9.0}]
    assert score_summary([*other, *lines(1.9)], "KD") == "KD 1.9 against 2 for no translation"
