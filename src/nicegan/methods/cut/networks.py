"""The networks of CUT: a generator cut in two, a PatchGAN without strides, and what describes patches.

The published generator A to B is one network. Here its first part, down to the residual blocks, is the encoder of A,
and its second part is the generator of B. Patches are compared in five layers of it: the padded image, both
convolutions before a halving, and the first and the fifth residual block.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nicegan.config import Size
from nicegan.methods.cut.config import LAST_BLOCK
from nicegan.nn.conv import ReflectConv2d, reflect_pad
from nicegan.nn.instance_norm import InstanceNorm
from nicegan.nn.resample import BilinearUp, BlurDown
from nicegan.nn.resnet import ResidualBlock, conv
from nicegan.shapes import Image, Latent, Logits

LEAK = 0.2
FIRST_KERNEL = 7
NORM_FLOOR = 1e-7  # added to a vector's length before it is divided by it
Layers = list[Tensor]  # what patches are compared in


class Encoded(NamedTuple):
    """A latent, and the layers on the way to it."""

    latent: Latent
    layers: Layers


class Encoder(nn.Module):
    """image -> latent: the first layers of a published generator, before its residual blocks."""

    def __init__(self, base_channels: int) -> None:
        super().__init__()
        c = base_channels
        self.entry = ReflectConv2d(3, c, FIRST_KERNEL, bias=True)  # (n, c, h, w)
        self.convs = nn.ModuleList((conv(c, 2 * c, 3, padding=1), conv(2 * c, 4 * c, 3, padding=1)))
        self.norm, self.down = InstanceNorm(rectify=True), BlurDown()

    def forward(self, image: Image) -> Latent:
        return self.with_layers(image).latent

    def with_layers(self, image: Image) -> Encoded:
        """Return the latent (n, 4c, h/4, w/4), and the padded image and both convolutions before their norms."""
        image = image.contiguous(memory_format=torch.channels_last)
        layers: Layers = [reflect_pad(image, FIRST_KERNEL // 2)]
        x = self.norm(self.entry(image))
        for layer in self.convs:
            layers.append(layer(x))
            x = self.down(self.norm(layers[-1]))
        return Encoded(x, layers)


class Generator(nn.Module):
    """latent -> image: the rest of a published generator, from its residual blocks on."""

    def __init__(self, base_channels: int, num_blocks: int) -> None:
        super().__init__()
        c = base_channels
        self.blocks = nn.Sequential(*(ResidualBlock(4 * c) for _ in range(num_blocks)))
        self.ups = nn.Sequential(
            BilinearUp(), conv(4 * c, 2 * c, 3, padding=1), InstanceNorm(rectify=True),  # (n, 2c, h/2, w/2)
            BilinearUp(), conv(2 * c, c, 3, padding=1), InstanceNorm(rectify=True),  # (n, c, h, w)
        )  # fmt: skip
        self.exit = ReflectConv2d(c, 3, 7, bias=True)

    def forward(self, latent: Latent) -> Image:
        return self.with_layers(latent)[0]

    def with_layers(self, latent: Latent) -> tuple[Image, Layers]:
        """Return the image (n, 3, h, w), and the outputs of the first and the fifth block."""
        layers = self.layers(latent)
        x = self.blocks[LAST_BLOCK:](layers[-1])
        return torch.tanh(self.exit(self.ups(x))), layers

    def layers(self, latent: Latent) -> Layers:
        """Return the outputs of the first and the fifth block."""
        first = self.blocks[0](latent)
        return [first, self.blocks[1:LAST_BLOCK](first)]


class PatchSampler(nn.Module):
    """Layers at some indices -> unit vectors that describe the patches there: two linear layers for each layer."""

    def __init__(self, base_channels: int, num_features: int) -> None:
        super().__init__()
        widths = (3, 2 * base_channels, 4 * base_channels, 4 * base_channels, 4 * base_channels)
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, num_features), nn.ReLU(), nn.Linear(num_features, num_features))
            for width in widths
        )

    def forward(self, layers: Layers, indices: list[Int[Tensor, " patches"]]) -> list[Float[Tensor, "n patches d"]]:
        """Return (n, patches, d) for each layer; indices count the pixels of a layer row by row."""
        described = []
        for mlp, layer, index in zip(self.mlps, layers, indices, strict=True):
            vectors = mlp(layer.permute(0, 2, 3, 1).flatten(1, 2)[:, index])
            described.append(vectors / (vectors.norm(dim=-1, keepdim=True) + NORM_FLOOR))
        return described


def layer_sizes(size: Size) -> list[int]:
    """Return how many pixels each of the five layers has for images of this height and width."""
    (h, w), rim = size, FIRST_KERNEL - 1
    latent = (h // 4) * (w // 4)
    return [(h + rim) * (w + rim), h * w, (h // 2) * (w // 2), latent, latent]


class Discriminator(nn.Module):
    """image -> one logit for each patch; maps are halved by blurred sampling, not by strides."""

    head_names = ("patch",)

    def __init__(self, base_channels: int) -> None:
        super().__init__()
        c = base_channels
        self.layers = nn.Sequential(
            conv(3, c, 4, padding=1), nn.LeakyReLU(LEAK, inplace=True), BlurDown(),
            conv(c, 2 * c, 4, padding=1), InstanceNorm(), nn.LeakyReLU(LEAK, inplace=True), BlurDown(),
            conv(2 * c, 4 * c, 4, padding=1), InstanceNorm(), nn.LeakyReLU(LEAK, inplace=True), BlurDown(),
            conv(4 * c, 8 * c, 4, padding=1), InstanceNorm(), nn.LeakyReLU(LEAK, inplace=True),
            conv(8 * c, 1, 4, padding=1),
        )  # fmt: skip

    def forward(self, image: Image) -> Logits:
        logits: Tensor = self.layers(image.contiguous(memory_format=torch.channels_last))
        return {"patch": logits}
