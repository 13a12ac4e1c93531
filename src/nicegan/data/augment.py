"""From stored pixels to network input: crop, flip, and scale to [-1, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from nicegan.data.cache import Pixels
from nicegan.data.sampler import Crop
from nicegan.shapes import Image


def cropped(images: Sequence[Pixels], cuts: Sequence[Crop], size: tuple[int, int]) -> UInt8[Tensor, "n h w 3"]:
    """Return images cropped to `size` (height, width) and flipped, still as bytes."""
    height, width = size
    windows = [p[c.top : c.top + height, c.left : c.left + width] for p, c in zip(images, cuts, strict=True)]
    flipped = [window[:, ::-1] if c.flip else window for window, c in zip(windows, cuts, strict=True)]
    return torch.from_numpy(np.stack(flipped))


def to_network(pixels: UInt8[Tensor, "n h w 3"]) -> Image:
    """Bytes as the networks take them: channels first, [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1).contiguous()


def to_pixels(image: Float[Tensor, "n 3 h w"]) -> UInt8[Tensor, "n h w 3"]:
    """Return the inverse: [-1, 1] as bytes, rounded, channels last."""
    return image.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
