"""The generators of DRIT: a style is mixed into each block of a map, or put beside the input of each layer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nicegan.methods.base import Style
from nicegan.nn.conv import ReflectConv2d, channels_last, convolve
from nicegan.nn.instance_norm import InstanceNorm
from nicegan.nn.layer_norm import ImageNorm
from nicegan.nn.resnet import ResidualBlock, conv
from nicegan.shapes import Features, Image, Latent


def beside(x: Features, style: Style) -> Tensor:
    """Return the map with the style as further channels, the same at every pixel."""
    return torch.cat([x, style[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1)


class Up(nn.Module):
    """Twice the side: a transposed 3x3 convolution, then normalisation of each image over channels and pixels."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        c = in_channels // 2
        self.conv = channels_last(nn.ConvTranspose2d(in_channels, c, 3, stride=2, padding=1, output_padding=1))
        self.norm = ImageNorm(c)
        self.out_channels = c

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).relu_()


class Mix(nn.Sequential):
    """[x, style] -> x: two 1x1 convolutions with ReLU. A style is the same at every pixel, so its share of the first
    convolution is a bias."""

    def __init__(self, num_channels: int) -> None:
        super().__init__(
            conv(2 * num_channels, 2 * num_channels, 1, padding=0), nn.ReLU(inplace=True),
            conv(2 * num_channels, num_channels, 1, padding=0), nn.ReLU(inplace=True),
        )  # fmt: skip

    def forward(self, x: Features, style: Style) -> Features:  # pyright: ignore[reportIncompatibleMethodOverride]
        first, *rest = self
        assert isinstance(first, nn.Conv2d)
        of_x, of_style = first.weight.chunk(2, dim=1)
        bias = F.linear(style, of_style.flatten(1), first.bias)
        x = convolve(x, of_x, None, padding=0).add_(bias[:, :, None, None])
        for layer in rest:
            x = layer(x)
        return x


class MixingBlock(nn.Module):
    """x + mix([norm(conv(y)), style]), with y = mix([norm(conv(x)), style])"""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.conv1 = ReflectConv2d(num_channels, num_channels, 3, bias=True)
        self.mix1 = Mix(num_channels)
        self.conv2 = ReflectConv2d(num_channels, num_channels, 3, bias=True)
        self.mix2 = Mix(num_channels)
        self.norm = InstanceNorm()

    def forward(self, x: Features, style: Style) -> Features:
        inner = self.mix1(self.norm(self.conv1(x)), style)
        return x + self.mix2(self.norm(self.conv2(inner)), style)


class MixingGenerator(nn.Module):
    """content and style -> image of this domain; a perceptron makes a vector of the style for each block."""

    def __init__(self, base_channels: int, num_blocks: int, style_features: int) -> None:
        super().__init__()
        c = 4 * base_channels
        self.perceptron = nn.Sequential(
            nn.Linear(style_features, c), nn.ReLU(inplace=True),
            nn.Linear(c, c), nn.ReLU(inplace=True),
            nn.Linear(c, num_blocks * c),
        )  # fmt: skip
        self.blocks = nn.ModuleList(MixingBlock(c) for _ in range(num_blocks))
        self.ups = nn.Sequential(Up(c), Up(c // 2))
        self.exit = channels_last(nn.ConvTranspose2d(c // 4, 3, 1))

    def forward(self, content: Latent, style: Style) -> Image:
        x = content  # (n, 4c, h/4, w/4)
        for block, vector in zip(self.blocks, self.perceptron(style).chunk(len(self.blocks), dim=1), strict=True):
            x = block(x, vector)
        return torch.tanh(self.exit(self.ups(x)))  # (n, 3, h, w)


class ConcatGenerator(nn.Module):
    """content and style -> image of this domain; the style stands beside the input of the blocks and of each layer
    after them.

    Args:
        base_channels: of an encoder's first layer; a content has four times as many.
        num_blocks: residual blocks of the domain's own.
        style_features: numbers in a style.
        shared: the first block, the same module in both domains.
    """

    def __init__(self, base_channels: int, num_blocks: int, style_features: int, shared: ResidualBlock) -> None:
        super().__init__()
        c = 4 * base_channels + style_features
        self.shared = shared
        self.blocks = nn.Sequential(*(ResidualBlock(c) for _ in range(num_blocks)))
        first = Up(c + style_features)
        second = Up(first.out_channels + style_features)
        self.ups = nn.ModuleList([first, second])
        self.exit = channels_last(nn.ConvTranspose2d(second.out_channels + style_features, 3, 1))

    def forward(self, content: Latent, style: Style) -> Image:
        x = self.blocks(beside(self.shared(content), style))  # (n, 4c + s, h/4, w/4)
        for up in self.ups:
            x = up(beside(x, style))
        return torch.tanh(self.exit(beside(x, style)))  # (n, 3, h, w)
