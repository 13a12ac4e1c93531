"""How near translations come to a known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from nicegan.data.augment import to_network
from nicegan.data.folders import find_images, read_image
from nicegan.errors import DataError
from nicegan.shapes import Image


class Nearness(NamedTuple):
    """Mean over images: PSNR in decibels, SSIM in [-1, 1]; more is nearer."""

    psnr: float
    ssim: float


class TruthScore(NamedTuple):
    """One direction: how near the truth its translations are, and how near the untranslated inputs were."""

    direction: str
    translation: Nearness
    input: Nearness
    num_images: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "direction": self.direction,
            "translation": self.translation._asdict(),
            "input": self.input._asdict(),
            "num_images": self.num_images,
        }

    def row(self) -> tuple[str, ...]:
        """For a table: direction, PSNR and SSIM of input and translation, number of images."""
        before, after = self.input, self.translation
        return (
            self.direction,
            f"{before.psnr:.2f}",
            f"{after.psnr:.2f}",
            f"{before.ssim:.3f}",
            f"{after.ssim:.3f}",
            str(self.num_images),
        )


TRUTH_COLUMNS = ("direction", "input PSNR (dB)", "translation PSNR (dB)", "input SSIM", "translation SSIM", "images")


def nearness(images: Image, truth: Image) -> Nearness:
    """PSNR and SSIM (11-pixel Gaussian windows, deviation 1.5) between two equally large sets, image by image."""
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    psnr = peak_signal_noise_ratio(images, truth, data_range=2.0, dim=(1, 2, 3))
    ssim = structural_similarity_index_measure((images + 1) / 2, (truth + 1) / 2, data_range=1.0)  # not shift-invariant
    assert isinstance(ssim, torch.Tensor)
    return Nearness(psnr.item(), ssim.item())


def score_against_truth(direction: str, inputs: Path, translations: Path, truth: Path) -> TruthScore:
    """Compare three folders whose images of one name belong together.

    Raises:
        DataError: a name that is not in all three.
    """
    sets = {folder: {path.stem: path for path in find_images(folder)} for folder in (inputs, translations, truth)}
    names = sorted(sets[truth])
    for folder, paths in sets.items():
        if sorted(paths) != names:
            raise DataError(f"{folder} does not hold the same names as {truth}")
    fake, given, true = (read_all([sets[folder][name] for name in names]) for folder in (translations, inputs, truth))
    return TruthScore(direction, nearness(fake, true), nearness(given, true), len(names))


def read_all(paths: list[Path]) -> Image:
    """Return images of one size as a tensor in [-1, 1]."""
    return to_network(torch.from_numpy(np.stack([np.asarray(read_image(path)) for path in paths])))
