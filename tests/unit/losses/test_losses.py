"""Losses with known answers."""

import pytest
import torch

from nicegan.losses import lsgan
from nicegan.losses.consistency import l1
from nicegan.losses.gradient_penalty import r1
from nicegan.losses.lecam import lecam


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


def test_r1_is_half_the_mean_square_of_the_slope() -> None:
    image = torch.rand(2, 3, 4, 4, requires_grad=True)
    first, second = torch.randn(3, 4, 4), torch.randn(3, 4, 4)
    heads = {
        "patches": torch.stack([(image * first).sum(dim=(1, 2, 3)), (image * second).sum(dim=(1, 2, 3))], dim=1),
        "square": image.square().sum(dim=(1, 2, 3))[:, None],
    }
    slopes = (first + second) / 2 + 2 * image.detach()  # the mean of a head's logits, added up over heads
    assert r1(heads, image).item() == pytest.approx(slopes.square().sum().item() / 2 / 2)


def test_lecam_holds_each_kind_to_the_mean_of_the_other() -> None:
    real, fake = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [-2.0]])
    found = lecam(real, fake, torch.tensor(2.0), torch.tensor(-1.0))
    assert found.item() == pytest.approx((2**2 + 4**2) / 2 + (2**2 + 4**2) / 2)
    assert lecam(real, fake, torch.tensor(-1.0), torch.tensor(2.0)).item() == pytest.approx(1 + 1)
