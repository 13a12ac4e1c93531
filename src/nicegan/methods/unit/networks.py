"""The generator of UNIT; its encoder, the mean of a latent, is `nn/content_encoder.py`, and training adds noise."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from nicegan.nn.conv import ReflectConv2d
from nicegan.nn.layer_norm import LayerNorm
from nicegan.nn.resnet import ResidualBlock
from nicegan.nn.upsampled_conv import UpsampledConv5x5
from nicegan.shapes import Image, Latent


class Generator(nn.Module):
    """latent -> image of this domain."""

    def __init__(self, base_channels: int, num_blocks: int) -> None:
        super().__init__()
        c = base_channels
        self.blocks = nn.Sequential(*(ResidualBlock(4 * c) for _ in range(num_blocks)))
        layers = {  # named as when a layer of its own enlarged the map: checkpoints hold these names
            "1": UpsampledConv5x5(4 * c, 2 * c), "2": LayerNorm(2 * c),  # (n, 2c, h/2, w/2)
            "4": UpsampledConv5x5(2 * c, c), "5": LayerNorm(c),  # (n, c, h, w)
        }  # fmt: skip
        self.ups = nn.Sequential(OrderedDict(layers))
        self.exit = ReflectConv2d(c, 3, 7, bias=True)

    def forward(self, latent: Latent) -> Image:
        x = self.ups(self.blocks(latent))  # (n, 4c, h/4, w/4) -> (n, c, h, w)
        return torch.tanh(self.exit(x))  # (n, 3, h, w)
