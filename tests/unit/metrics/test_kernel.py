"""The kernel distance against torchmetrics, against its plain definition, and against its true value."""

import itertools

import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from nicegan.metrics.kernel import kernel_distance, kernel_subsets
from nicegan.metrics.products import inner_products


def test_torchmetrics_agrees_at_equal_counts() -> None:
    real, fake = torch.randn(30, 8, dtype=torch.float64), torch.randn(30, 8, dtype=torch.float64) * 2 + 1
    ours = kernel_distance(inner_products(real, fake), 8)
    assert ours == pytest.approx(poly_mmd(real, fake).item(), rel=1e-10)


def test_the_definition_at_unequal_counts() -> None:
    real, fake = torch.randn(5, 3, dtype=torch.float64), torch.randn(7, 3, dtype=torch.float64) + 1

    def mean(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
        return sum(((x @ y).item() / 3 + 1) ** 3 for x, y in pairs) / len(pairs)

    within = sum(mean(list(itertools.permutations(features, 2))) for features in (real, fake))
    expected = within - 2 * mean(list(itertools.product(real, fake)))
    assert kernel_distance(inner_products(real, fake), 3) == pytest.approx(expected, rel=1e-10)


def true_distance(shift: float, width: int) -> float:
    """Of N(0, I) and N(shift, I): E (x.y/d + 1)^3 from the moments of x.y.

    (x.y/d + 1)^3 = 1 + 3 p + 3 p^2 + p^3 with p = x.y/d. For independent x ~ N(a, I) and y ~ N(b, I):
    E p = a.b/d, E p^2 = ((a.b)^2 + |a|^2 + |b|^2 + d) / d^2,
    E p^3 = ((a.b)^3 + 3 (a.b)(|a|^2 + |b|^2) + 3 a.b d + 6 a.b) / d^3.
    """

    def expected(a: float, b: float) -> float:
        ab, aa, bb, d = width * a * b, width * a * a, width * b * b, width
        second = (ab**2 + aa + bb + d) / d**2
        third = (ab**3 + 3 * ab * (aa + bb) + 3 * ab * d + 6 * ab) / d**3
        return 1 + 3 * ab / d + 3 * second + third

    return expected(0, 0) + expected(shift, shift) - 2 * expected(0, shift)


def test_it_is_unbiased() -> None:
    """The mean over many tiny sets is the true distance."""
    draws = [kernel_distance(inner_products(torch.randn(6, 4), torch.randn(9, 4) + 0.5), 4) for _ in range(1000)]
    values = torch.tensor(draws)
    error = values.std().item() / len(values) ** 0.5
    assert values.mean().item() == pytest.approx(true_distance(0.5, 4), abs=4 * error)
    assert true_distance(0.5, 4) > 8 * error


def test_subsets() -> None:
    real, fake = torch.randn(40, 8), torch.randn(60, 8) + 0.3
    products = inner_products(real, fake)
    found = kernel_subsets(products, 8, seed=1)
    assert (found.num_subsets, found.size) == (50, 40)
    assert found == kernel_subsets(products, 8, seed=1) != kernel_subsets(products, 8, seed=2)
    assert found.mean == pytest.approx(kernel_distance(products, 8), abs=4 * found.std / 50**0.5 + 1e-9)
    whole = kernel_subsets(inner_products(real, fake[:40]), 8)
    assert whole.mean == pytest.approx(kernel_distance(inner_products(real, fake[:40]), 8), rel=1e-9)
    assert whole.std == pytest.approx(0, abs=1e-12)
