"""Intervals from half-samples: against the textbook's standard error, and by how often they hold a known truth."""

import math

import pytest
import torch
from tests.unit.metrics.test_kernel import true_distance

from nicegan.evaluation.measure import choose_halves, measure
from nicegan.metrics.bootstrap import Bounds, halves, interval, share_bounds
from nicegan.metrics.frechet import frechet_distance


def test_halves_repeat_nothing_and_can_be_repeated() -> None:
    rows = halves(21, 30, seed=3)
    assert rows.shape == (30, 10)
    assert all(len(set(row)) == 10 for row in rows.tolist())
    assert set(rows.flatten().tolist()) == set(range(21))
    assert torch.equal(rows, halves(21, 30, seed=3))
    assert not torch.equal(rows, halves(21, 30, seed=4))


def test_the_standard_error_of_a_mean() -> None:
    values = torch.randn(100, dtype=torch.float64) * 3
    of_halves = torch.stack([values[row].mean() for row in halves(100, 4000, seed=0)])
    found = interval(values.mean().item(), of_halves)
    assert found.reach == pytest.approx(1.96 * values.std().item() / math.sqrt(100), rel=0.05)
    assert found.high - found.low == pytest.approx(2 * found.reach)


def test_bounds() -> None:
    spread = torch.tensor([0.0, 1.0], dtype=torch.float64)
    assert interval(0.5, spread, Bounds(lowest=0, highest=0.7))[:2] == (0, 0.7)
    none_of_50 = interval(0.0, torch.zeros(5), share_bounds(50))
    assert none_of_50 == (0, 0.06, 0.06)  # the rule of three
    assert abs(0.94**50 - 0.05) < 0.005  # which is this


NUM_DRAWS, NUM_HALVES, COUNT, WIDTH, SHIFT = 60, 30, 40, 8, 0.4


def holding(values: torch.Tensor, reaches: torch.Tensor, truth: float) -> float:
    return ((values - truth).abs() <= reaches).double().mean().item()


def test_intervals_hold_the_truth_nineteen_times_of_twenty() -> None:
    """Gaussians; for the kernel distance the true value, for the Frechet distance its mean at this count."""
    found = {"kernel": [], "frechet": []}
    for draw in range(NUM_DRAWS):
        real, fake = torch.randn(COUNT, WIDTH), torch.randn(COUNT, WIDTH) + SHIFT
        choice = choose_halves(COUNT, COUNT, WIDTH, seed=draw, fake_seed=draw + 1000)
        assert choice is not None
        fewer = choice._replace(real=choice.real[:NUM_HALVES], fake=choice.fake[:NUM_HALVES])
        scores = measure(real, fake, None, fewer).scores()
        for name, pairs in found.items():
            pairs.append((scores[name].value, scores[name].reach))
    fresh = [frechet_distance(torch.randn(COUNT, WIDTH), torch.randn(COUNT, WIDTH) + SHIFT) for _ in range(1000)]
    truths = {"kernel": true_distance(SHIFT, WIDTH), "frechet": sum(fresh) / len(fresh)}
    for name, pairs in found.items():
        values, reaches = torch.tensor(pairs, dtype=torch.float64).T
        assert 0.9 <= holding(values, reaches, truths[name]) <= 1, name
        spread = 1.96 * values.std().item()
        assert 0.85 * spread < reaches.mean().item() < 1.6 * spread, name  # and not by being endlessly wide


def test_two_sets_of_one_law_are_not_told_apart_and_a_worse_one_is() -> None:
    apart = {"same": 0, "worse": 0}
    for draw in range(16):
        real, source = torch.randn(COUNT, WIDTH), torch.randn(COUNT, WIDTH)
        choice = choose_halves(COUNT, COUNT, WIDTH, seed=draw, fake_seed=draw + 1000)
        assert choice is not None
        fewer = choice._replace(real=choice.real[:NUM_HALVES], fake=choice.fake[:NUM_HALVES])
        one, same, worse = (
            measure(real, source + SHIFT + 0.3 * torch.randn(COUNT, WIDTH) + more, None, fewer) for more in (0, 0, 0.3)
        )
        apart["same"] += not one.minus(same)["kernel"].holds_zero()
        apart["worse"] += not worse.minus(one)["kernel"].holds_zero()
    assert apart["same"] <= 2
    assert apart["worse"] >= 10
