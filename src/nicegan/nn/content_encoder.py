"""A content encoder: two halvings and residual blocks, instance-normalised (Liu et al., 2017; Huang et al., 2018)."""

from __future__ import annotations

import torch
from torch import nn

from nicegan.nn.conv import ReflectConv2d
from nicegan.nn.instance_norm import InstanceNorm
from nicegan.nn.resnet import ResidualBlock
from nicegan.shapes import Image, Latent


class ContentEncoder(nn.Module):
    """image -> latent, with four times the base channels at a quarter of the side."""

    def __init__(self, base_channels: int, num_blocks: int) -> None:
        super().__init__()
        c = base_channels
        self.layers = nn.Sequential(
            ReflectConv2d(3, c, 7, bias=True), InstanceNorm(rectify=True),  # (n, c, h, w)
            ReflectConv2d(c, 2 * c, 4, bias=True, stride=2), InstanceNorm(rectify=True),  # (n, 2c, h/2, w/2)
            ReflectConv2d(2 * c, 4 * c, 4, bias=True, stride=2), InstanceNorm(rectify=True),  # (n, 4c, h/4, w/4)
            *(ResidualBlock(4 * c) for _ in range(num_blocks)),
        )  # fmt: skip

    def forward(self, image: Image) -> Latent:
        return self.layers(image.contiguous(memory_format=torch.channels_last))
