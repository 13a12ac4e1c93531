"""Layers of translators with residual blocks: what networks without a norm of their own share."""

from __future__ import annotations

from torch import nn

from nicegan.nn.conv import ReflectConv2d, channels_last
from nicegan.nn.instance_norm import InstanceNorm
from nicegan.shapes import Features


def conv(in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, padding: int) -> nn.Conv2d:
    """Return a convolution that is padded with zeros."""
    return channels_last(nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding))


class ResidualBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x)))))"""

    def __init__(self, num_channels: int, *, bias: bool = True) -> None:
        super().__init__()
        self.conv1 = ReflectConv2d(num_channels, num_channels, 3, bias=bias)
        self.norm1 = InstanceNorm(rectify=True)
        self.conv2 = ReflectConv2d(num_channels, num_channels, 3, bias=bias)
        self.norm2 = InstanceNorm()

    def forward(self, x: Features) -> Features:
        return x + self.norm2(self.conv2(self.norm1(self.conv1(x))))
