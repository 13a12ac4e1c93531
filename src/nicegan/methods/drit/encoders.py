"""The encoders of DRIT: contents of both domains end in one shared block, and a style is a point or a Gaussian."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nicegan.methods.base import Style
from nicegan.nn.conv import ReflectConv2d
from nicegan.nn.instance_norm import InstanceNorm
from nicegan.nn.resnet import ResidualBlock, conv
from nicegan.nn.style_encoder import StyleEncoder
from nicegan.shapes import Image, Latent, Scalar

LEAK_OF_CONTENT = 0.01  # slopes of LeakyReLU
LEAK_OF_STYLE = 0.2


class ContentEncoder(nn.Module):
    """image -> content: layers of the domain's own, then the block that both domains share.

    Args:
        base_channels: of the first layer; a content has four times as many.
        num_blocks: residual blocks of the domain's own.
        shared: the last block, the same module in both domains.
    """

    def __init__(self, base_channels: int, num_blocks: int, shared: ResidualBlock) -> None:
        super().__init__()
        c = base_channels
        self.layers = nn.Sequential(
            ReflectConv2d(3, c, 7, bias=True), nn.LeakyReLU(LEAK_OF_CONTENT, inplace=True),  # (n, c, h, w)
            ReflectConv2d(c, 2 * c, 3, bias=True, stride=2), InstanceNorm(rectify=True),  # (n, 2c, h/2, w/2)
            ReflectConv2d(2 * c, 4 * c, 3, bias=True, stride=2), InstanceNorm(rectify=True),  # (n, 4c, h/4, w/4)
            *(ResidualBlock(4 * c) for _ in range(num_blocks)),
        )  # fmt: skip
        self.shared = shared

    def forward(self, image: Image) -> Latent:
        return self.shared(self.layers(image.contiguous(memory_format=torch.channels_last)))


class Encoded(NamedTuple):
    """The styles of some images as training uses them, and the divergence of their distribution from N(0, 1)."""

    style: Style
    divergence: Scalar


class PointStyleEncoder(StyleEncoder):
    """image -> its style: one point; what keeps it near 0 is its mean square."""

    def encode(self, image: Image, noise: Style) -> Encoded:
        """Return the styles, whatever the noise."""
        style = self(image)
        return Encoded(style, style.square().mean())


class StyleBlock(nn.Module):
    """Half the side: mean(conv(leaky(conv(leaky(x))))) + conv1x1(mean(x)), with means over 2x2 pixels"""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = ReflectConv2d(in_channels, in_channels, 3, bias=True)
        self.conv2 = ReflectConv2d(in_channels, out_channels, 3, bias=True)
        self.shortcut = conv(in_channels, out_channels, 1, padding=0)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c_out h_half w_half"]:
        inner = F.leaky_relu_(self.conv1(F.leaky_relu(x, LEAK_OF_STYLE)), LEAK_OF_STYLE)
        return F.avg_pool2d(self.conv2(inner), 2) + self.shortcut(F.avg_pool2d(x, 2))


class GaussianStyleEncoder(nn.Module):
    """image -> the mean of its style, which is a Gaussian; training draws from it."""

    def __init__(self, base_channels: int, style_features: int) -> None:
        super().__init__()
        c = base_channels
        self.entry = ReflectConv2d(3, c, 4, bias=True, stride=2)
        self.blocks = nn.Sequential(StyleBlock(c, 2 * c), StyleBlock(2 * c, 3 * c), StyleBlock(3 * c, 4 * c))
        self.mean = nn.Linear(4 * c, style_features)
        self.log_variance = nn.Linear(4 * c, style_features)

    def forward(self, image: Image) -> Style:
        return self.moments(image)[0]

    def moments(self, image: Image) -> tuple[Style, Style]:
        """Return the mean and the logarithm of the variance of each style."""
        x = self.blocks(self.entry(image.contiguous(memory_format=torch.channels_last)))  # (n, 4c, h/16, w/16)
        summary = F.leaky_relu_(x, LEAK_OF_STYLE).mean(dim=(2, 3))  # (n, 4c)
        return self.mean(summary), self.log_variance(summary)

    def encode(self, image: Image, noise: Style) -> Encoded:
        """Return mean + noise * deviation; and -1/2 sum(1 + log v - mean^2 - v) of each image, v the variance."""
        mean, log_variance = self.moments(image)
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(dim=1).mean()
        return Encoded(mean + noise * (log_variance / 2).exp(), divergence)
