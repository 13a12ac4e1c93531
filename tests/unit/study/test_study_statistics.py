"""The statistics of a study against published examples, closed forms, and raters with known preferences."""

import math
import os
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from scipy.stats import multinomial
from tests.study_raters import Crowd, define_study

from nicegan.errors import ConfigError
from nicegan.study.agreement import krippendorff_alpha, self_agreement
from nicegan.study.chance import binomial_p, holm, independence_p, multinomial_p, pairs_p
from nicegan.study.definition import StudyDefinition
from nicegan.study.intervals import resample_shares, resample_sums, share_intervals, shares, variance, wilson
from nicegan.study.models import PairTable, bradley_terry, pair_table, top_one_strengths
from nicegan.study.planning import centre_of, simulate
from nicegan.study.store import Rater, Vote
from nicegan.study.tally import RaterRecord, Scores, add_up
from nicegan.study.trials import Picture, Question, Trial

THOROUGH = os.environ.get("NICEGAN_THOROUGH") == "1"
UTILITIES = (1.0, 0.4, 0.2, 0.0)


def records_of(answers: Sequence[Sequence[str | None]]) -> list[RaterRecord]:
    """Raters with given labels for the same questions; None where one did not answer."""
    records = []
    for number, row in enumerate(answers):
        trials = [
            Trial("counted", Question(question, ("a", "b")), (Picture("a", ""), Picture("b", "")), {}, ("0", "1"))
            for question, label in enumerate(row)
            if label is not None
        ]
        labels = [label for label in row if label is not None]
        votes = [Vote(f"{number}-{i}", number, i, 0, "0", label, "a\tb", 1000, 0) for i, label in enumerate(labels)]
        records.append(RaterRecord(Rater(number, "", 0, 0), trials, votes, []))
    return records


def test_alpha_of_krippendorffs_own_example() -> None:
    """Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C: nominal data, alpha = 0.743."""
    rows = [
        ["1", "2", "3", "3", "2", "1", "4", "1", "2", None, None, None],
        ["1", "2", "3", "3", "2", "2", "4", "1", "2", "5", None, "3"],
        [None, "3", "3", "3", "2", "3", "4", "2", "2", "5", "1", None],
        ["1", "2", "3", "3", "2", "4", "4", "1", "2", "5", "1", None],
    ]
    alpha = krippendorff_alpha(records_of(rows))
    assert alpha is not None
    assert round(alpha, 3) == 0.743


def test_alpha_where_it_has_no_value() -> None:
    assert krippendorff_alpha([]) is None
    assert krippendorff_alpha(records_of([["a", "a"], ["a", "a"]])) is None, "one answer only"
    assert krippendorff_alpha(records_of([["a", None], [None, "b"]])) is None, "no question has two"


@pytest.mark.parametrize("counts", [(3, 0, 1), (5, 5, 5), (9, 2, 0, 1), (7, 3)])
def test_multinomial_p_value_is_the_sum_over_all_outcomes(counts: tuple[int, ...]) -> None:
    total, kinds = sum(counts), len(counts)
    law = multinomial(total, np.full(kinds, 1 / kinds))
    outcomes = [one for one in product(range(total + 1), repeat=kinds) if sum(one) == total]
    expected = sum(law.pmf(one) for one in outcomes if law.pmf(one) <= law.pmf(counts) * (1 + 1e-9))
    found = multinomial_p(counts)
    assert found.way == "exact"
    assert math.isclose(found.p_value, expected, rel_tol=1e-6)


def test_large_counts_are_simulated_and_agree() -> None:
    exact, simulated = multinomial_p((30, 20, 10)), multinomial_p((300, 260, 240, 250))
    assert (exact.way, simulated.way) == ("exact", "simulated")
    assert 0.02 < simulated.p_value < 0.1
    assert multinomial_p((0, 0)).p_value == 1


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]


def test_tests_of_pairs_and_answers() -> None:
    pairs = [(0, 1), (0, 2), (1, 2)]
    assert pairs_p([50, 50, 50], [50, 50, 50], pairs).p_value > 0.9
    assert pairs_p([80, 80, 50], [20, 20, 50], pairs).p_value < 1e-4
    two = pairs_p([60], [40], [(0, 1)]).p_value
    assert abs(two - binomial_p(60, 100, 0.5)) < 0.01
    assert independence_p((50, 50), (50, 50)) == 1
    assert independence_p((9, 1), (1, 9)) < 0.01
    assert independence_p((0, 0), (1, 9)) == 1


def test_a_p_value_of_raters_who_see_nothing_is_uniform_whatever_their_habits() -> None:
    definition = define_study(12, votes_per_image=5, obvious=0)
    p_values = []
    for seed in range(50):
        crowd = Crowd((0, 0, 0, 0), 0, 0, num_left=2, num_careless=2)
        scores = add_up(
            definition.model_copy(update={"seed": seed}),
            crowd.records(definition.model_copy(update={"seed": seed}), seed),
        )
        p_values.append(multinomial_p([round(count) for count in scores.won.sum((1, 2))], seed).p_value)
    assert 0.35 < np.mean(p_values) < 0.65
    assert np.mean(np.array(p_values) < 0.1) < 0.25


def test_wilsons_interval_by_hand() -> None:
    """Share 8 of 10 with z = 1.96: Newcombe, Statistics in Medicine 17 (1998), method 3 gives 0.490 to 0.943."""
    found = wilson(0.8, 10, 1.959964)
    assert (round(found.low or 0, 3), round(found.high or 0, 3)) == (0.490, 0.943)
    assert wilson(0.0, 5, 2).low == 0.0
    assert wilson(1.0, 5, 2).high == 1.0


def test_resampled_variances_equal_their_closed_forms() -> None:
    random = np.random.default_rng(0)
    shown = np.ones((1, 12, 15))
    won = (random.random((1, 12, 15)) < 0.3 + 0.4 * random.random((12, 1))).astype(float)
    scores = Scores(("a",), won, shown)
    found = resample_shares(scores, 1, 20_000)
    rest, total = won[0] - won.mean(), won.size
    for part, sums in zip(found, (rest.sum(1), rest.sum(0), rest), strict=True):
        assert math.isclose(part.var(), (sums**2).sum() / total**2, rel_tol=0.05)
    both, votes = variance(found, np.ones(1))
    assert both >= votes


def test_an_interval_needs_two_raters_and_two_images() -> None:
    for shape in ((1, 1, 5), (1, 5, 1)):
        scores = Scores(("a",), np.ones(shape), np.ones(shape))
        [found] = share_intervals(scores, resample_shares(scores, 0, 50))
        assert (found.value, found.low, found.is_known) == (1, None, False)


def coverage(definition: StudyDefinition, crowd: Crowd, num_studies: int) -> float:
    """How often the intervals hold the shares that endless raters and images would give."""
    truth, hits = crowd.shares(), []
    for seed in range(num_studies):
        study = definition.model_copy(update={"seed": seed})
        kept = [record for record in crowd.records(study, seed) if not record.left_out]
        scores = add_up(study, kept)
        found = share_intervals(scores, resample_shares(scores, seed, 500))
        hits += [(one.low or 0) <= true <= (one.high or 1) for one, true in zip(found, truth, strict=True)]
    return float(np.mean(hits))


CROWDS = [
    Crowd(UTILITIES, 0.5, 0.5, num_careless=1, num_left=1),
    Crowd(UTILITIES, 0, 0),
    Crowd(UTILITIES, 1, 0.2, num_careless=1, num_left=1),
    Crowd(UTILITIES, 0.2, 1),
]


@pytest.mark.parametrize("crowd", CROWDS if THOROUGH else CROWDS[:1])
def test_intervals_hold_the_known_shares(crowd: Crowd) -> None:
    """A careless rater and one who always takes the left image are among them; 95 % of intervals are to hold."""
    number = 100 if THOROUGH else 15
    spread = 3 * math.sqrt(0.05 * 0.95 / number)  # of studies, whose four intervals depend on each other
    assert coverage(define_study(24, votes_per_image=12), crowd, number) >= 0.95 - spread


def test_intervals_would_not_hold_if_votes_were_independent() -> None:
    """The planted error: the interval of single votes, which most papers give, is too narrow."""
    crowd, hits = Crowd(UTILITIES, 1.2, 0.2), []
    truth = crowd.shares()
    for seed in range(20):
        study = define_study(24, votes_per_image=10, seed=seed)
        scores = add_up(study, crowd.records(study, seed))
        count = float(scores.shown[0].sum())
        hits += [
            (found.low or 0) <= true <= (found.high or 1)
            for found, true in zip((wilson(s, count, 1.96) for s in shares(scores)), truth, strict=True)
        ]
    assert np.mean(hits) < 0.9


def test_the_rule_finds_the_careless_and_the_left_ones() -> None:
    caught, wrongly = 0, 0
    for seed in range(10):
        study = define_study(24, votes_per_image=8, seed=seed)
        records = Crowd(UTILITIES, num_careless=1, num_left=1).records(study, seed)
        caught += sum(bool(record.left_out) for record in records[:2])
        wrongly += sum(bool(record.left_out) for record in records[2:])
    assert caught >= 18
    assert wrongly == 0


def test_strengths_of_all_choices_are_log_shares() -> None:
    study = define_study(30, votes_per_image=40)
    crowd = Crowd(UTILITIES, 0, 0)
    records = crowd.records(study, 0)
    scores = add_up(study, records)
    found = top_one_strengths(study.methods, records, resample_shares(scores, 0, 200), 2)
    logs = np.log(shares(scores))
    assert [one.strength.value for one in found] == pytest.approx((logs - logs.mean()).tolist(), abs=0.01)
    true = np.array(UTILITIES) - np.mean(UTILITIES)
    assert all((one.strength.low or 0) < t < (one.strength.high or 0) for one, t in zip(found, true, strict=True))


def test_bradley_terry_finds_the_strengths_and_stays_finite() -> None:
    study = define_study(20, kind="pairs", trials=40, votes_per_image=30)
    records = Crowd(UTILITIES, 0, 0).records(study, 0)
    found = bradley_terry(study.methods, pair_table(study.methods, records), None, 0)
    true = 0.9 * (np.array(UTILITIES) - np.mean(UTILITIES))  # a tenth of the votes is "cannot tell", half for each
    assert [one.strength.value for one in found] == pytest.approx(true.tolist(), abs=0.12)
    never = PairTable([("a", "b")], np.array([10.0, 0, 0]).reshape(3, 1, 1))
    [best, worst] = bradley_terry(("a", "b"), never, None, 0)
    assert best.strength.value == pytest.approx(math.log(10.5 / 0.5) / 2, abs=1e-3), (
        "half a vote against ten and a half"
    )
    assert worst.strength.value == -best.strength.value


def test_ties_are_half_a_win_for_each() -> None:
    study = define_study(20, kind="pairs", trials=20, votes_per_image=6)
    scores = add_up(study, Crowd((0, 0, 0, 0)).records(study, 0))
    assert scores.won.sum() * 2 == scores.shown.sum()


def test_repeats_are_compared_with_the_first_answer() -> None:
    study = define_study(20, votes_per_image=10)
    sure = self_agreement(Crowd((50, 0, 0, 0), 0, 0).records(study, 0))
    assert sure.repeats == (20, 20)
    assert sure.by_chance == 1
    unsure = self_agreement(Crowd((0, 0, 0, 0), 0, 0).records(study, 0))
    assert unsure.repeats.num_pairs == 20
    assert unsure.repeats.num_same < 14


def test_sums_of_nothing_are_nothing() -> None:
    assert not any(part.any() for part in resample_sums(np.zeros((2, 3, 4)), 0, 10))


def plan(shares: tuple[float, float], **changes: object) -> object:
    settings = {"raters": (10, 40), "images": (20, 60), "trials": None, "rater_spread": 0.4, "image_spread": 0.6}
    return simulate(shares=shares, power=0.8, simulations=60, seed=0, **(settings | changes))  # pyright: ignore


def test_more_raters_and_images_find_more() -> None:
    found = {(one.num_raters, one.num_images): one.found for one in plan((0.45, 0.33)).powers}  # pyright: ignore
    assert found[10, 20] < found[40, 60]
    assert found[40, 60] > 0.9
    text = plan((0.45, 0.33)).text()  # pyright: ignore
    assert "45 % from 33 %" in text
    assert "60 images: 10 raters are enough for 80 %" in text


def test_a_plan_that_nothing_meets_and_shares_that_are_none() -> None:
    assert "none of these is enough" in plan((0.34, 0.33), raters=(3,), images=(3,), trials=2).text()  # pyright: ignore
    for shares_ in ((0.3, 0.3), (1.2, 0.3), (0.0, 0.5)):
        with pytest.raises(ConfigError, match="--shares: give two different fractions"):
            plan(shares_)
    with pytest.raises(ConfigError, match="one of either has no spread"):
        plan((0.4, 0.3), raters=(1,))


def test_the_mean_of_the_simulated_raters_is_the_share() -> None:
    random = np.random.default_rng(0)
    logits = centre_of(0.4, 0.7) + 0.7 * random.standard_normal(400_000)
    assert abs((1 / (1 + np.exp(-logits))).mean() - 0.4) < 0.002
