"""The pattern score sees a grid of 2 or 4 pixels, and neither blur, noise, contrast nor JPEG's blocks."""

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from nicegan.metrics.pattern import grid_energy, pattern_score

GREY_LEVEL = 2 / 255


def scenes(count: int = 24, side: int = 64, seed: int = 0) -> Tensor:
    """Images with the spectrum of photographs: sums of noise of all scales."""
    random = torch.Generator().manual_seed(seed)
    images = torch.zeros(count, 3, side, side)
    for scale in (4, 8, 16, 32, 64):
        noise = torch.randn(count, 3, scale, scale, generator=random) / scale**0.5
        images += F.interpolate(noise, size=(side, side), mode="bicubic", align_corners=False)
    return (images / 3).clamp(-1, 1)


def grid(period: int, side: int = 64) -> Tensor:
    """A checkerboard whose squares are half a period wide, of +-1."""
    steps = torch.arange(side) // (period // 2) % 2
    return (2.0 * ((steps[:, None] + steps[None]) % 2) - 1)[None, None]


def jpeg(images: Tensor) -> Tensor:
    found = []
    for image in ((images + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy():
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=50)
        found.append(np.asarray(Image.open(file)))
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2) / 127.5 - 1


def test_other_images_of_the_kind_have_no_pattern() -> None:
    assert pattern_score(scenes(seed=1), scenes()) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("period", [2, 4])
def test_a_faint_grid_is_seen_and_grows_with_its_strength(period: int) -> None:
    real = scenes()
    faint, strong = (pattern_score(real + levels * GREY_LEVEL * grid(period), real) for levels in (3, 6))
    assert faint > 1.5
    assert (strong - 1) / (faint - 1) == pytest.approx(4, rel=0.15), "energy is the square of the amplitude"


def test_a_grid_of_another_period_is_no_pattern_of_up_sampling() -> None:
    real = scenes()
    assert pattern_score(real + 6 * GREY_LEVEL * grid(8), real) < 1.2, "odd harmonics: 8, 8/3, 8/5 ... pixels"


@pytest.mark.parametrize("change", ["blur", "noise", "contrast", "colour"])
def test_what_is_no_grid_hardly_changes_it(change: str) -> None:
    real = scenes()
    changed = {
        "blur": F.avg_pool2d(F.pad(real, (1, 1, 1, 1), mode="reflect"), 3, 1),
        "noise": real + 0.1 * torch.randn_like(real),
        "contrast": real / 2,
        "colour": real.flip(1) + 0.1,
    }[change]
    assert pattern_score(changed, real) == pytest.approx(1, abs=0.25)


def test_the_blocks_of_jpeg_count_on_both_sides() -> None:
    real = jpeg(scenes())
    assert pattern_score(jpeg(scenes(seed=1)), real) == pytest.approx(1, abs=0.2)


def test_spectra_are_added_up_in_portions() -> None:
    images = torch.randn(70, 3, 32, 32)
    halves = [grid_energy(images[:35]), grid_energy(images[35:])]
    assert (grid_energy(images) - (halves[0] + halves[1]) / 2).abs().max() < 0.2
    assert pattern_score(images.repeat(2, 1, 1, 1), images) == pytest.approx(1)


def test_white_noise_has_energy_one_at_every_frequency() -> None:
    energy = grid_energy(torch.randn(200, 3, 48, 64, generator=torch.Generator().manual_seed(0)))
    assert energy.sub(1).abs().max() < 0.05
