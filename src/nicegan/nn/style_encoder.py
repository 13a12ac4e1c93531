"""A style encoder: one short vector for each image (Huang et al., ECCV 2018)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nicegan.nn.conv import ReflectConv2d
from nicegan.shapes import Image

SMALLEST_SIDE = 16  # pixels; each of four halvings needs a map of two pixels to reflect


class StyleEncoder(nn.Module):
    """image -> style. There is no normalisation: it would remove the means and deviations that are the style.

    Args:
        base_channels: of the first layer.
        style_features: numbers in a style.
    """

    def __init__(self, base_channels: int, style_features: int) -> None:
        super().__init__()
        c = base_channels
        self.layers = nn.Sequential(
            ReflectConv2d(3, c, 7, bias=True), nn.ReLU(inplace=True),  # (n, c, h, w)
            ReflectConv2d(c, 2 * c, 4, bias=True, stride=2), nn.ReLU(inplace=True),  # (n, 2c, h/2, w/2)
            ReflectConv2d(2 * c, 4 * c, 4, bias=True, stride=2), nn.ReLU(inplace=True),  # (n, 4c, h/4, w/4)
            ReflectConv2d(4 * c, 4 * c, 4, bias=True, stride=2), nn.ReLU(inplace=True),  # (n, 4c, h/8, w/8)
            ReflectConv2d(4 * c, 4 * c, 4, bias=True, stride=2), nn.ReLU(inplace=True),  # (n, 4c, h/16, w/16)
        )  # fmt: skip
        self.exit = nn.Conv2d(4 * c, style_features, 1)

    def forward(self, image: Image) -> Float[Tensor, "n style"]:
        x = self.layers(image.contiguous(memory_format=torch.channels_last))
        return self.exit(x.mean(dim=(2, 3), keepdim=True)).flatten(1)  # (n, style)
