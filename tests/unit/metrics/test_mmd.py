"""The MMD against its closed form for Gaussians, and its test against what a p-value must be."""

import itertools
import math

import pytest
import torch

from nicegan.metrics.mmd import gaussian_kernel, median_distance, mmd_squared, permutation_test


def normal(count: int, seed: int, shift: float = 0.0, spread: float = 1.0, dimension: int = 3) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return spread * torch.randn(count, dimension, generator=random, dtype=torch.float64) + shift


def mean_kernel(variance: float, squared_shift: float, bandwidth: float, dimension: int) -> float:
    """E k(x, y) where x - y is normal with `variance` a coordinate and a mean of this squared length."""
    total = bandwidth**2 + variance
    return (bandwidth**2 / total) ** (dimension / 2) * math.exp(-squared_shift / (2 * total))


@pytest.mark.parametrize(("shift", "spread"), [(0.0, 1.0), (0.5, 1.0), (0.0, 2.0), (1.0, 1.5)])
def test_gaussians_have_the_mmd_of_the_closed_form(shift: float, spread: float) -> None:
    bandwidth, count = 1.3, 1500
    points = torch.cat([normal(count, 1), normal(count, 2, shift, spread)])
    estimate = mmd_squared(gaussian_kernel(points, bandwidth), torch.arange(2 * count)[None] < count).item()
    within = mean_kernel(2.0, 0.0, bandwidth, 3) + mean_kernel(2 * spread**2, 0.0, bandwidth, 3)
    expected = within - 2 * mean_kernel(1 + spread**2, 3 * shift**2, bandwidth, 3)
    assert estimate == pytest.approx(expected, abs=0.006)


def test_the_estimate_is_the_mean_over_pairs() -> None:
    points = torch.cat([normal(3, 1), normal(4, 2, 1.0)])
    x, y = points[:3].tolist(), points[3:].tolist()

    def k(a: list[float], b: list[float]) -> float:
        return math.exp(-(math.dist(a, b) ** 2) / (2 * 0.8**2))

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    within = [mean([k(a, b) for a, b in itertools.permutations(side, 2)]) for side in (x, y)]
    expected = sum(within) - 2 * mean([k(a, b) for a in x for b in y])
    estimate = mmd_squared(gaussian_kernel(points, 0.8), torch.arange(7)[None] < 3)
    assert estimate.item() == pytest.approx(expected, rel=1e-6)


def test_p_values_are_uniform_where_the_sets_are_equal() -> None:
    values = []
    for seed in range(200):
        points = normal(24, 100 + seed)
        kernel = gaussian_kernel(points, median_distance(points))
        values.append(permutation_test(kernel, 10, num_permutations=99, seed=seed).p_value)
    ordered = torch.tensor(values).sort().values
    uniform = torch.arange(1, 201) / 200
    assert (ordered - uniform).abs().max() < 0.115  # Kolmogorov and Smirnov, at the 1 % level
    assert ordered.min() >= 0.01


def test_p_values_are_small_where_the_sets_differ() -> None:
    points = torch.cat([normal(20, 1), normal(15, 2, shift=1.5)])
    found = permutation_test(gaussian_kernel(points, median_distance(points)), 20, num_permutations=499)
    assert found.p_value == 1 / 500
    assert found.mmd_squared > 0.1


def test_equal_splits_count_as_at_least_as_far() -> None:
    """Of 2 and 2 points there are 3 splits, so no p-value can be below 1/3, whatever the rounding."""
    points = torch.tensor([[0.0], [0.1], [5.0], [5.1]], dtype=torch.float64)
    found = permutation_test(gaussian_kernel(points, 1.0), 2, num_permutations=2000)
    assert found.p_value == pytest.approx(1 / 3, abs=0.04)


def test_the_bandwidth_is_the_median_of_distances() -> None:
    points = torch.tensor([[0.0], [1.0], [3.0]])
    assert median_distance(points) == 2.0
    assert median_distance(torch.cat([points, points])) == 2.0  # pairs of equal points say nothing
    assert median_distance(torch.ones(4, 2)) == 0
