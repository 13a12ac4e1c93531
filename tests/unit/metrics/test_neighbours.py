"""Neighbours and principal components against scikit-learn."""

import numpy as np
import pytest
import torch

from nicegan.metrics import components
from nicegan.metrics.components import principal_components
from nicegan.metrics.neighbours import mixing, nearest


def test_nearest_points_are_scikit_learns() -> None:
    from sklearn.neighbors import NearestNeighbors

    queries, points = torch.randn(7, 5, dtype=torch.float64), torch.randn(40, 5, dtype=torch.float64)
    distances, indices = NearestNeighbors(n_neighbors=3).fit(points.numpy()).kneighbors(queries.numpy())
    found = nearest(queries, points, 3)
    assert np.array_equal(found.indices.numpy(), indices)
    assert np.allclose(found.distance.numpy(), distances)
    assert nearest(queries, points[:2], 3).indices.shape == (7, 2)


def test_mixing_is_nothing_apart_and_as_expected_together() -> None:
    apart = torch.cat([torch.randn(30, 4), torch.randn(20, 4) + 50])
    assert mixing(apart, 30).share == 0
    together = mixing(torch.randn(600, 4), 360)
    assert together.expected == pytest.approx(2 * 360 * 240 / (600 * 599))
    assert together.share == pytest.approx(together.expected, abs=0.03)
    alternating = torch.tensor([[0.0], [10.0], [0.1], [10.1]])  # each one's nearest is of the other set
    assert mixing(alternating, 2, num_neighbours=1).share == 1


def test_components_are_scikit_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.decomposition import PCA

    monkeypatch.setattr(components, "BLOCK", 100)
    rows = torch.randn(20, 330) @ torch.randn(330, 330) + 7
    reference = PCA(n_components=6, svd_solver="full")
    points = reference.fit_transform(rows.double().numpy())
    found = principal_components(rows, 6)
    assert np.allclose(np.abs(found.points.numpy()), np.abs(points), atol=1e-6 * np.abs(points).max())
    assert found.variance_kept == pytest.approx(reference.explained_variance_ratio_.sum(), rel=1e-9)


def test_all_components_keep_all_distances() -> None:
    rows = torch.randn(9, 50)
    found = principal_components(rows, 50)
    assert found.points.shape == (9, 8)
    assert torch.allclose(torch.pdist(found.points), torch.pdist(rows.double()))
    assert found.variance_kept == pytest.approx(1)
