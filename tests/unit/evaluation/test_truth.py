"""Nearness to a known truth, against closed forms."""

import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.conftest import write_images

from nicegan.errors import DataError
from nicegan.evaluation.truth import nearness, score_against_truth


def test_psnr_of_a_known_error() -> None:
    truth = torch.rand(3, 3, 32, 32)
    score = nearness(truth + 0.2, truth)
    assert score.psnr == pytest.approx(10 * math.log10(2**2 / 0.2**2), abs=1e-3)


def test_ssim_is_one_for_the_truth_and_less_for_noise() -> None:
    truth = torch.rand(2, 3, 32, 32)
    assert nearness(truth, truth.clone()).ssim == pytest.approx(1)
    assert nearness(torch.rand(2, 3, 32, 32), truth).ssim < 0.3


def test_folders_are_matched_by_name(tmp_path: Path) -> None:
    truth = write_images(tmp_path / "truth", 3, size=(32, 32))
    for folder, change in (("inputs", 40), ("translations", 10)):
        (tmp_path / folder).mkdir()
        for path in reversed(truth):
            with Image.open(path) as image:
                image.point([max(0, value - change) for value in range(256)] * 3).save(tmp_path / folder / path.name)
    score = score_against_truth("there", tmp_path / "inputs", tmp_path / "translations", tmp_path / "truth")
    assert score.translation.psnr > score.input.psnr
    assert score.translation.ssim > score.input.ssim
    (tmp_path / "inputs" / truth[0].name).unlink()
    with pytest.raises(DataError, match="same names"):
        score_against_truth("there", tmp_path / "inputs", tmp_path / "translations", tmp_path / "truth")
