"""The networks of U-GAT-IT: a generator cut in two, with attention between, and two discriminators with attention.

The published generator A to B is one network. Here its first part, attention included, is the encoder of A, and its
second part is the generator of B.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nicegan.nn import statistics
from nicegan.nn.attention import LEAK
from nicegan.nn.conv import ReflectConv2d
from nicegan.nn.instance_norm import InstanceNorm
from nicegan.nn.lin import LIN, AdaLIN
from nicegan.nn.resnet import ResidualBlock
from nicegan.nn.spectral import SpectralConv2d, SpectralLinear
from nicegan.nn.style import FlatSummary, PooledSummary, Style
from nicegan.nn.upsampled_conv import UpsampledConv3x3
from nicegan.shapes import Features, Image, Latent, Logits

CamLogits = Float[Tensor, "n 2"]  # by the channels' averages, and by their maxima


class Attention(nn.Module):
    """[x * w_average, x * w_maximum] mixed by a 1x1 convolution; the weights are those of two classifiers of x.

    The doubled map is never made: the convolution is linear, so the weights move into its kernel and the halves add up.

    Args:
        num_channels: of x.
        classifiers: of the averages and of the maxima; their weights as they are stored re-weigh the channels.
        leak: of the LeakyReLU behind the mixture; 0 is a ReLU.
    """

    def __init__(self, num_channels: int, classifiers: tuple[nn.Linear, nn.Linear], leak: float) -> None:
        super().__init__()
        self.by_average, self.by_maximum = classifiers
        self.mix = nn.Conv2d(2 * num_channels, num_channels, kernel_size=1)
        self.leak = leak

    def forward(self, x: Features) -> tuple[Features, CamLogits]:
        """Return the attended map, and what the classifiers say of x."""
        logits = torch.cat([self.by_average(statistics.mean(x)), self.by_maximum(statistics.largest(x))], dim=1)
        half = x.shape[1]
        average, maximum = (layer.weight[0, :, None, None] for layer in (self.by_average, self.by_maximum))
        kernel = self.mix.weight[:, :half] * average + self.mix.weight[:, half:] * maximum
        return F.leaky_relu(F.conv2d(x, kernel, self.mix.bias), self.leak), logits


class Encoded(NamedTuple):
    """A latent, and the logits of the encoder's classifiers: is the image one of the source domain?"""

    latent: Latent
    cam: CamLogits


class Encoder(nn.Module):
    """image -> latent: the first layers of a published generator, and its attention."""

    def __init__(self, base_channels: int, num_blocks: int) -> None:
        super().__init__()
        c = base_channels
        self.layers = nn.Sequential(
            ReflectConv2d(3, c, 7, bias=False), InstanceNorm(rectify=True),  # (n, c, h, w)
            ReflectConv2d(c, 2 * c, 3, bias=False, stride=2), InstanceNorm(rectify=True),  # (n, 2c, h/2, w/2)
            ReflectConv2d(2 * c, 4 * c, 3, bias=False, stride=2), InstanceNorm(rectify=True),  # (n, 4c, h/4, w/4)
            *(ResidualBlock(4 * c, bias=False) for _ in range(num_blocks)),
        )  # fmt: skip
        classifiers = nn.Linear(4 * c, 1, bias=False), nn.Linear(4 * c, 1, bias=False)
        self.attention = Attention(4 * c, classifiers, leak=0)

    def forward(self, image: Image) -> Latent:
        return self.read(image).latent

    def read(self, image: Image) -> Encoded:
        """Return the latent and the classifiers' logits in one pass."""
        return Encoded(*self.attention(self.layers(image.contiguous(memory_format=torch.channels_last))))


class AdaptiveBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))), both norms steered by a style."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.conv1 = ReflectConv2d(num_channels, num_channels, 3, bias=False)
        self.norm1 = AdaLIN(num_channels)
        self.conv2 = ReflectConv2d(num_channels, num_channels, 3, bias=False)
        self.norm2 = AdaLIN(num_channels)

    def forward(self, x: Features, style: Style) -> Features:
        hidden = self.norm1(self.conv1(x), *style, rectify=True)
        return x + self.norm2(self.conv2(hidden), *style)


class Generator(nn.Module):
    """latent -> image: the rest of a published generator, from its attention on."""

    def __init__(self, base_channels: int, num_blocks: int, summary: PooledSummary | FlatSummary) -> None:
        super().__init__()
        c = base_channels
        self.summary = summary
        self.blocks = nn.ModuleList(AdaptiveBlock(4 * c) for _ in range(num_blocks))
        self.ups = nn.Sequential(
            # The identities stand where published checkpoints count a layer that enlarges the map.
            nn.Identity(), UpsampledConv3x3(4 * c, 2 * c), LIN(2 * c),  # (n, 2c, h/2, w/2)
            nn.Identity(), UpsampledConv3x3(2 * c, c), LIN(c),  # (n, c, h, w)
        )  # fmt: skip
        self.exit = ReflectConv2d(c, 3, 7, bias=False)

    def forward(self, latent: Latent) -> Image:
        style, x = self.summary(latent), latent
        for block in self.blocks:
            x = block(x, style)
        return torch.tanh(self.exit(self.ups(x)))  # (n, 3, h, w)


class Critic(nn.Module):
    """image -> logits of patches and of two classifiers, with attention on the features.

    Args:
        base_channels: of the first layer.
        num_layers: as the published code counts them; the last three of them have stride 1.
    """

    def __init__(self, base_channels: int, num_layers: int) -> None:
        super().__init__()
        widths = [3, *(base_channels << i for i in range(num_layers - 1))]
        strides = [*(2 for _ in range(num_layers - 2)), 1]
        self.layers = nn.ModuleList(
            SpectralConv2d(a, b, stride=stride) for a, b, stride in zip(widths, widths[1:], strides, strict=False)
        )
        c = widths[-1]
        self.attention = Attention(c, (SpectralLinear(c, 1), SpectralLinear(c, 1)), LEAK)
        self.logit = SpectralConv2d(c, 1, stride=1, bias=False)

    def forward(self, image: Image) -> tuple[Float[Tensor, "n 1 h_patch w_patch"], CamLogits]:
        x = image.contiguous(memory_format=torch.channels_last)
        for layer in self.layers:
            x = F.leaky_relu_(layer(x), LEAK)
        x, cam = self.attention(x)
        return self.logit(x), cam


class Discriminator(nn.Module):
    """image -> logits of a critic that sees all of it, and of one that sees patches."""

    head_names = ("global", "global_cam", "local", "local_cam")

    def __init__(self, base_channels: int, global_layers: int, local_layers: int) -> None:
        super().__init__()
        self.all = Critic(base_channels, global_layers)
        self.patches = Critic(base_channels, local_layers)

    def forward(self, image: Image) -> Logits:
        (of_all, all_cam), (of_patches, patches_cam) = self.all(image), self.patches(image)
        return {"global": of_all, "global_cam": all_cam, "local": of_patches, "local_cam": patches_cam}
