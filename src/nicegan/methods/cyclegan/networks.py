"""The networks of CycleGAN: a generator cut in two, and a PatchGAN.

The published generator A to B is one network. Here its first part, down to the residual blocks, is the encoder of A,
and its second part is the generator of B, so that translate = target.generator(source.encoder(image)) as everywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nicegan.nn.conv import ReflectConv2d, channels_last
from nicegan.nn.instance_norm import InstanceNorm
from nicegan.nn.resnet import ResidualBlock, conv
from nicegan.shapes import Image, Latent, Logits

LEAK = 0.2


class Encoder(nn.Module):
    """image -> latent: the first layers of a published generator, before its residual blocks."""

    def __init__(self, base_channels: int) -> None:
        super().__init__()
        c = base_channels
        self.layers = nn.Sequential(
            ReflectConv2d(3, c, 7, bias=True), InstanceNorm(rectify=True),  # (n, c, h, w)
            conv(c, 2 * c, 3, stride=2, padding=1), InstanceNorm(rectify=True),  # (n, 2c, h/2, w/2)
            conv(2 * c, 4 * c, 3, stride=2, padding=1), InstanceNorm(rectify=True),  # (n, 4c, h/4, w/4)
        )  # fmt: skip

    def forward(self, image: Image) -> Latent:
        return self.layers(image.contiguous(memory_format=torch.channels_last))


class Up(nn.Sequential):
    """Twice the side, half the channels: a transposed 3x3 convolution."""

    def __init__(self, num_channels: int) -> None:
        super().__init__(
            channels_last(
                nn.ConvTranspose2d(num_channels, num_channels // 2, 3, stride=2, padding=1, output_padding=1)
            ),
            InstanceNorm(rectify=True),
        )


class Generator(nn.Module):
    """latent -> image: the rest of a published generator, from its residual blocks on."""

    def __init__(self, base_channels: int, num_blocks: int) -> None:
        super().__init__()
        c = base_channels
        self.blocks = nn.Sequential(*(ResidualBlock(4 * c) for _ in range(num_blocks)))
        self.ups = nn.Sequential(Up(4 * c), Up(2 * c))
        self.exit = ReflectConv2d(c, 3, 7, bias=True)

    def forward(self, latent: Latent) -> Image:
        x = self.blocks(latent)  # (n, 4c, h/4, w/4)
        return torch.tanh(self.exit(self.ups(x)))  # (n, 3, h, w)


class Discriminator(nn.Module):
    """image -> one logit for each patch of 70 pixels (PatchGAN, Isola et al., CVPR 2017)."""

    head_names = ("patch",)

    def __init__(self, base_channels: int) -> None:
        super().__init__()
        c = base_channels
        self.layers = nn.Sequential(
            conv(3, c, 4, stride=2, padding=1), nn.LeakyReLU(LEAK, inplace=True),
            conv(c, 2 * c, 4, stride=2, padding=1), InstanceNorm(), nn.LeakyReLU(LEAK, inplace=True),
            conv(2 * c, 4 * c, 4, stride=2, padding=1), InstanceNorm(), nn.LeakyReLU(LEAK, inplace=True),
            conv(4 * c, 8 * c, 4, padding=1), InstanceNorm(), nn.LeakyReLU(LEAK, inplace=True),
            conv(8 * c, 1, 4, padding=1),
        )  # fmt: skip

    def forward(self, image: Image) -> Logits:
        logits: Tensor = self.layers(image.contiguous(memory_format=torch.channels_last))
        return {"patch": logits}
