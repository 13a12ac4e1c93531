"""The Frechet distance against closed forms, and against torchmetrics' own arithmetic."""

import pytest
import torch
from torchmetrics.image.fid import _compute_fid

from nicegan.metrics.frechet import frechet_distance


def with_moments(count: int, mean: torch.Tensor, deviations: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Features whose sample mean and covariance are exactly these (a diagonal covariance)."""
    noise = torch.randn(count, len(mean), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    white = torch.linalg.qr(noise - noise.mean(0)).Q * (count - 1) ** 0.5
    return white * deviations + mean


@pytest.mark.parametrize("counts", [(40, 60), (12, 12)])
def test_gaussians_of_known_distance(counts: tuple[int, int]) -> None:
    """For commuting covariances: |m_1 - m_2|^2 + sum over features of (s_1 - s_2)^2."""
    means = torch.tensor([[0.0, 1, 2, 0, 5], [1.0, 1, 0, 0, 5.5]], dtype=torch.float64)
    deviations = torch.tensor([[1.0, 2, 3, 0.5, 1], [1.0, 1, 5, 0.5, 0]], dtype=torch.float64)
    sets = [with_moments(n, m, s, seed) for seed, (n, m, s) in enumerate(zip(counts, means, deviations, strict=True))]
    expected = (means[0] - means[1]).square().sum() + (deviations[0] - deviations[1]).square().sum()
    assert frechet_distance(*sets) == pytest.approx(expected.item(), rel=1e-9)


def test_a_set_is_at_distance_zero_from_itself_turned_or_not() -> None:
    features = torch.randn(30, 8)
    assert frechet_distance(features, features.flip(0)) == pytest.approx(0, abs=1e-10)
    fewer_than_features = torch.randn(10, 100)
    assert frechet_distance(fewer_than_features, fewer_than_features) == pytest.approx(0, abs=1e-9)
    turn = torch.linalg.qr(torch.randn(8, 8)).Q
    other = torch.randn(40, 8) * 2
    assert frechet_distance(features @ turn, other @ turn) == pytest.approx(frechet_distance(features, other), rel=1e-5)


@pytest.mark.parametrize(("counts", "width"), [((200, 150), 16), ((30, 50), 64), ((20, 300), 64)])
def test_torchmetrics_agrees(counts: tuple[int, int], width: int) -> None:
    mixing = torch.randn(width, width, dtype=torch.float64)
    real, fake = (torch.randn(count, width, dtype=torch.float64) @ mixing + shift for shift, count in enumerate(counts))
    theirs = _compute_fid(real.mean(0), real.T.cov(), fake.mean(0), fake.T.cov())
    assert frechet_distance(real, fake) == pytest.approx(theirs.item(), rel=1e-5)
