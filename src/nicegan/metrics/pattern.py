"""Pattern score: how much stronger translations show the grid of their up-sampling than real images do.

Up-sampling by two leaves errors that repeat every 2 pixels, and one level deeper every 4: Odena et al., "Deconvolution
and Checkerboard Artifacts", 2016. They are peaks of the power spectrum at multiples of a quarter of the sampling rate.
A peak is measured against the frequencies around it, so that blurred or noisy images are no better and no worse, and
against the same peak of real images, so that the blocks of JPEG do not count.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

PORTION = 32  # images whose spectra are held at once
SMALLEST_SIDE = 32  # pixels: around a peak there must be frequencies that are none
PEAK, AROUND = 1, 4  # bins on either side of a frequency: the peak under a Hann window, and its surroundings

Images = Float[Tensor, "_ 3 _ _"]


def pattern_score(fake: Images, real: Images) -> float:
    """Return the energy of periods of 2 and 4 pixels in fakes over that in real images; 1.00 is no pattern.

    Args:
        fake, real: images in [-1, 1]; sizes and counts may differ, sides are at least 32 pixels.
    """
    return (grid_energy(fake) / grid_energy(real)).mean().item()


def grid_energy(images: Images) -> Float[Tensor, 9]:
    """Return, for each frequency of the grid, its power over the mean power of the frequencies around it."""
    height, width = (side // 4 * 4 for side in images.shape[2:])
    assert min(height, width) >= SMALLEST_SIDE
    window = torch.outer(*(torch.hann_window(side, dtype=torch.float64) for side in (height, width)))
    power = torch.zeros_like(window)
    for portion in images[:, :, :height, :width].split(PORTION):
        centred = portion.double() - portion.double().mean((2, 3), keepdim=True)
        power += torch.fft.fft2(centred * window).abs().square().sum((0, 1))
    around = F.pad(power[None, None], (AROUND,) * 4, mode="circular")[0, 0]
    return torch.stack([_peak(around, row, column) for row, column in _frequencies(height, width)])


def _frequencies(height: int, width: int) -> list[tuple[int, int]]:
    """Return the rows and columns of all frequencies with periods of 2 and 4 pixels, each of a pair f and -f once."""
    quarter = [(i, j) for i in range(4) for j in range(4) if (i, j) <= (-i % 4, -j % 4) and (i, j) != (0, 0)]
    return [(i * height // 4, j * width // 4) for i, j in quarter]


def _peak(power: Float[Tensor, "_ _"], row: int, column: int) -> Float[Tensor, ""]:
    """Return the mean power at a frequency over the mean power in the frame around it."""
    block = power[row : row + 2 * AROUND + 1, column : column + 2 * AROUND + 1]
    gap = AROUND - PEAK
    inner = block[gap:-gap, gap:-gap]
    frame = (block.sum() - inner.sum()) / (block.numel() - inner.numel())
    return inner.mean() / frame.clamp_min(torch.finfo(power.dtype).tiny)
