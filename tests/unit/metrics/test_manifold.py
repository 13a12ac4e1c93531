"""Precision, recall, density and coverage: against their definitions and known expectations."""

import pytest
import torch

from nicegan.metrics.manifold import manifold
from nicegan.metrics.products import inner_products


def plainly(real: torch.Tensor, fake: torch.Tensor, k: int) -> tuple[float, float, float, float]:
    """Ball by ball."""
    between = torch.cdist(real, fake)
    real_reach, drawn_reach = (torch.cdist(x, x).sort(1).values[:, k] for x in (real, fake))
    balls_over = [sum(between[i, j] <= real_reach[i] for i in range(len(real))) for j in range(len(fake))]
    return (
        sum(1.0 for balls in balls_over if balls) / len(fake),
        sum(1.0 for i in range(len(real)) if any(between[i] <= drawn_reach)) / len(real),
        float(sum(balls_over)) / k / len(fake),
        sum(1.0 for i in range(len(real)) if between[i].min() <= real_reach[i]) / len(real),
    )


@pytest.mark.parametrize(("counts", "k"), [((40, 40), 5), ((30, 50), 3), ((7, 6), 5)])
def test_the_definitions(counts: tuple[int, int], k: int) -> None:
    real = torch.randn(counts[0], 6, dtype=torch.float64)
    fake = torch.randn(counts[1], 6, dtype=torch.float64) * 0.8 + 0.5
    assert tuple(manifold(inner_products(real, fake), k)) == pytest.approx(plainly(real, fake, k))


def test_equal_and_distant_sets() -> None:
    real = torch.randn(50, 6, dtype=torch.float64)
    same = manifold(inner_products(real, real), 5)
    assert tuple(same) == pytest.approx((1, 1, 6 / 5, 1))  # a ball holds its k neighbours and its own centre
    assert tuple(manifold(inner_products(real, real + 100), 5)) == (0, 0, 0, 0)


def test_coverage_and_density_of_sets_of_one_law() -> None:
    """Naeem et al.: density 1; coverage 1 - (n-1)...(n-k) / ((2n-1)...(2n-k))."""
    count, k = 60, 5
    expected = 1.0
    for i in range(1, k + 1):
        expected *= (count - i) / (2 * count - i)
    draws = [manifold(inner_products(torch.randn(count, 8), torch.randn(count, 8)), k) for _ in range(60)]
    for values, truth in (
        (torch.tensor([draw.coverage for draw in draws]), 1 - expected),
        (torch.tensor([draw.density for draw in draws]), 1.0),
    ):
        assert values.mean().item() == pytest.approx(truth, abs=4 * values.std().item() / len(draws) ** 0.5)
