"""The mean distance of pairs against numbers known by hand."""

import pytest
import torch

from nicegan.metrics.diversity import mean_pairwise_distance


def test_a_triangle_of_sides_3_4_and_5() -> None:
    corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert mean_pairwise_distance(corners).item() == pytest.approx(4)
    assert mean_pairwise_distance(torch.stack([corners, 2 * corners])).tolist() == pytest.approx([4, 8])


def test_equal_outputs_have_none() -> None:
    assert mean_pairwise_distance(torch.rand(1, 64).expand(5, -1) * 1e3).item() == 0


def test_a_mean_over_all_entries_would_be_caught() -> None:
    """Planted error: the distance of each row to itself counted."""
    corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert torch.cdist(corners, corners).mean().item() != pytest.approx(4)
