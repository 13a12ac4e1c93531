"""How translations relate to their inputs and to each other, where the answer is known."""

import pytest
import torch
from torch import Tensor

from nicegan.metrics.likeness import chance_correlation, change, correlation, spread


def images(count: int = 6, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) - 0.5


def test_an_image_correlates_with_itself_and_its_negative_whatever_tint_and_contrast() -> None:
    source = images()
    tint = torch.tensor([0.3, -0.1, 0.2])[None, :, None, None]
    assert correlation(0.5 * source + tint, source) == pytest.approx(1, abs=1e-5)
    assert correlation(tint - 0.5 * source, source) == pytest.approx(-1, abs=1e-5)
    assert correlation(images(seed=1), source) == pytest.approx(0, abs=0.03)
    assert correlation(torch.zeros_like(source), source) == 0, "an image without contrast"


def test_chance_is_what_two_domains_share_without_a_pairing() -> None:
    rows = torch.linspace(-1, 1, 32)[None, None, :, None].expand(1, 3, 32, 32)
    assert chance_correlation(images() + rows, images(seed=1) + rows) == pytest.approx(0.8, abs=0.05)
    assert chance_correlation(images() + rows, images(seed=1) - rows) == pytest.approx(-0.8, abs=0.05)
    pairs = [correlation(a[None], b[None]) for a in images(3) for b in images(4, 1)]
    assert chance_correlation(images(3), images(4, 1)) == pytest.approx(sum(pairs) / 12, abs=1e-5)


def test_change_is_a_share_of_the_way_to_the_target() -> None:
    source, real = images(), images(4, 1)
    apart = torch.cdist(source.flatten(1), real.flatten(1)).mean().item()
    step = 0.1 * torch.ones_like(source)
    assert change(source, source, real) == 0
    assert change(source + step, source, real) == pytest.approx(0.1 * (3 * 32 * 32) ** 0.5 / apart, rel=1e-4)
    assert change(source, source, source[:1].expand_as(source)) == 0


def test_spread_is_the_distance_of_two_images_in_what_is_larger_than_a_detail() -> None:
    black, white = torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)
    assert spread(torch.cat([black, white])) == pytest.approx((3 * 16 * 16) ** 0.5)
    assert spread(white.repeat(3, 1, 1, 1)) == 0
    checks = (torch.arange(32)[:, None] + torch.arange(32)) % 2 * 1.0
    dots = torch.cat([checks.expand(1, 3, 32, 32), 1 - checks.expand(1, 3, 32, 32)])
    assert spread(dots) == pytest.approx(0, abs=1e-5), "a detail"
