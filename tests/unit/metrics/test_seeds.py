"""Means and intervals, against tables of Student's distribution and a worked example."""

import math

import pytest

from nicegan.metrics.seeds import Difference, Spread, difference, rounded, spread


def test_mean_and_sample_deviation() -> None:
    found = spread([1.0, 2.0, 6.0])
    assert (found.mean, found.num_values) == (3.0, 3)
    assert found.deviation == pytest.approx(math.sqrt(7.0))
    assert spread([4.0]) == Spread(4.0, None, 1)


def test_welch_by_hand() -> None:
    # of: mean 20, s^2 = 100, n = 3; to: mean 13, s^2 = 1, n = 3; v = 33.33 + 0.3333; nu = v^2 / (33.33^2/2 + 0.333^2/2)
    found = difference(spread([10.0, 20.0, 30.0]), spread([12.0, 13.0, 14.0]))
    freedom = (101 / 3) ** 2 / ((100 / 3) ** 2 / 2 + (1 / 3) ** 2 / 2)
    assert freedom == pytest.approx(2.04, abs=1e-4)
    assert found.value == pytest.approx(7.0)
    assert found.margin is not None
    assert 4.2 * math.sqrt(101 / 3) < found.margin < 4.303 * math.sqrt(101 / 3)  # a textbook's 4.303 at nu = 2
    assert not found.is_clear
    assert difference(spread([10.0, 10.1, 9.9]), spread([12.0, 13.0, 14.0])).is_clear


def test_equal_spreads_give_the_pooled_interval() -> None:
    found = difference(spread([1.0, 2.0, 3.0]), spread([5.0, 6.0, 7.0]))  # nu = 4, se = sqrt(2/3)
    assert found.value == -4.0
    assert found.margin == pytest.approx(2.77645 * math.sqrt(2 / 3), rel=1e-4)
    assert found.interval == (pytest.approx(-4 - 2.26696, rel=1e-4), pytest.approx(-4 + 2.26696, rel=1e-4))


def test_a_single_seed_has_no_interval() -> None:
    found = difference(spread([1.0]), spread([5.0, 6.0]))
    assert found == Difference(-4.5, None)
    assert not found.is_clear
    assert str(found) == "-4.500"


def test_no_spread_at_all() -> None:
    assert difference(spread([2.0, 2.0]), spread([2.0, 2.0])) == Difference(0.0, 0.0)
    assert not difference(spread([2.0, 2.0]), spread([2.0, 2.0])).is_clear
    assert difference(spread([3.0, 3.0]), spread([2.0, 2.0])).is_clear


def test_four_digits() -> None:
    assert [rounded(value) for value in (93.456, 0.0512345, 1234.6, 0.0, -9.0)] == [
        "93.46", "0.05123", "1235", "0.0", "-9.000"
    ]  # fmt: skip
    assert str(Spread(93.456, 7.7777, 3)) == "93.46 ± 7.78"
    assert str(Difference(-4.0, 2.25)) == "-4.000 (-6.250 to -1.750)"
    assert str(Difference(-4.0, 20.0)) == "-4.00 (-24.00 to +16.00)"
