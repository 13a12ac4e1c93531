"""Losses with known answers."""

import pytest
import torch

from nicegan.losses import lsgan
from nicegan.losses.consistency import l1


def test_least_squares_terms() -> None:
    logits = torch.tensor([[0.0], [3.0]])
    assert lsgan.toward_real(logits).item() == pytest.approx((1 + 4) / 2)
    assert lsgan.toward_fake(logits).item() == pytest.approx((0 + 9) / 2)


def test_a_perfect_verdict_costs_nothing() -> None:
    assert lsgan.toward_real(torch.ones(2, 1, 3, 3)).item() == 0
    assert lsgan.toward_fake(torch.zeros(2, 1, 3, 3)).item() == 0


def test_l1_is_the_mean_absolute_difference() -> None:
    image = torch.zeros(1, 3, 2, 2)
    assert l1(image, image + 0.25).item() == pytest.approx(0.25)
