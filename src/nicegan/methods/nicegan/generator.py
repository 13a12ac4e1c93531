"""The generator: latent -> image, its body steered by a summary of the latent itself."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nicegan.nn.conv import Recompute, ReflectConv2d, with_recompute
from nicegan.nn.norm import ILN, AdaILN
from nicegan.nn.style import FlatSummary, PooledSummary, Style
from nicegan.nn.upsampled_conv import UpsampledConv3x3
from nicegan.shapes import Features, Image, Latent

Upsample = Literal["subpixel", "icnr", "nearest", "bilinear"]


class ResidualBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x)))))"""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.conv1 = ReflectConv2d(num_channels, num_channels, 3, bias=False)
        self.norm1 = AdaILN(num_channels)
        self.conv2 = ReflectConv2d(num_channels, num_channels, 3, bias=False)
        self.norm2 = AdaILN(num_channels)

    def forward(self, x: Features, style: Style) -> Features:
        hidden = self.norm1(self.conv1(x), *style, rectify=True)
        return x + self.norm2(self.conv2(hidden), *style)


class PixelShuffle(nn.PixelShuffle):
    """nn.PixelShuffle that keeps channels-last order on a GPU, where PyTorch's own does not."""

    def forward(self, input: Float[Tensor, "n c4 h w"]) -> Float[Tensor, "n c h2 w2"]:
        if not input.is_cuda:
            return super().forward(input)
        n, c, h, w = input.shape
        r = self.upscale_factor
        pixels = input.permute(0, 2, 3, 1).reshape(n, h, w, c // r**2, r, r).permute(0, 1, 4, 2, 5, 3)
        return pixels.reshape(n, r * h, r * w, c // r**2).permute(0, 3, 1, 2)


class SubPixelUp(nn.Sequential):
    """Twice the side, half the channels: a 3x3 convolution, then a 1x1 convolution whose channels become pixels.

    With `begin_equal` the four pixels that a channel becomes begin equal (ICNR: Aitken et al., 2017, arXiv 1707.02937):
    with independent initial weights they differ, and training starts with a pattern of period 2 in every image.
    """

    def __init__(self, num_channels: int, *, begin_equal: bool = False) -> None:
        half = num_channels // 2
        super().__init__(
            ReflectConv2d(num_channels, half, 3, bias=False),  # (n, c/2, h, w)
            ILN(half),
            ReflectConv2d(half, 4 * half, 1, bias=True),  # (n, 2c, h, w)
            PixelShuffle(2),  # (n, c/2, 2h, 2w)
            ILN(half),
        )
        with torch.no_grad():
            for parameter in self[2].parameters() if begin_equal else ():
                of_channel = parameter.unflatten(0, (half, 4))
                of_channel.copy_(of_channel[:, :1].clone().expand_as(of_channel))


class Enlarge(nn.Module):
    """Twice the side, bilinear; the backward pass keeps the small map only."""

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
        enlarged = self.enlarged(x)
        return with_recompute(enlarged, Recompute(self.enlarged, (x.detach(),))) if x.requires_grad else enlarged

    def enlarged(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear")


class EnlargingUp(nn.Sequential):
    """Twice the side, half the channels: the map enlarged, then a 3x3 convolution."""

    def __init__(self, num_channels: int, mode: Literal["nearest", "bilinear"]) -> None:
        half = num_channels // 2
        if mode == "nearest":
            enlarge, conv = nn.Identity(), UpsampledConv3x3(num_channels, half)  # which enlarges as it convolves
        else:
            enlarge, conv = Enlarge(), ReflectConv2d(num_channels, half, 3, bias=False)
        super().__init__(enlarge, conv, ILN(half))


def build_up(num_channels: int, upsample: Upsample) -> nn.Sequential:
    """Return one doubling of the side, of this kind."""
    if upsample in ("nearest", "bilinear"):
        return EnlargingUp(num_channels, upsample)
    return SubPixelUp(num_channels, begin_equal=upsample == "icnr")


class Generator(nn.Module):
    """latent -> image of this domain.

    Args:
        latent_channels: channels of the latent; the body has twice as many.
        num_blocks: residual blocks in the body.
        num_ups: doublings of the side; as many as the encoder has stride-2 layers.
        summary: makes the style from the body's input.
        upsample: how the side is doubled.
    """

    def __init__(
        self,
        latent_channels: int,
        num_blocks: int,
        num_ups: int,
        summary: PooledSummary | FlatSummary,
        upsample: Upsample = "subpixel",
    ) -> None:
        super().__init__()
        width = 2 * latent_channels
        self.entry = nn.Sequential(ReflectConv2d(latent_channels, width, 3, bias=True), ILN(width))
        self.summary = summary
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(num_blocks))
        self.ups = nn.Sequential(*(build_up(width >> i, upsample) for i in range(num_ups)))
        self.exit = ReflectConv2d(width >> num_ups, 3, 7, bias=False)

    def forward(self, latent: Latent) -> Image:
        x = self.entry(latent)  # (n, 2c, h/4, w/4)
        style = self.summary(x)
        for block in self.blocks:
            x = block(x, style)
        return torch.tanh(self.exit(self.ups(x)))  # (n, 3, h, w)
