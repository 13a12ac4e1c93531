"""A discriminator of several scales (Wang et al., CVPR 2018): equal networks on an image, its half, its quarter ..."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from nicegan.nn.attention import LEAK
from nicegan.nn.conv import ReflectConv2d
from nicegan.shapes import Image, Logits


class MultiScaleDiscriminator(nn.Module):
    """image -> one logit for each patch, at each scale: "scale_1", "scale_2" ...

    Args:
        base_channels: of the first layer; each further layer doubles them.
        num_layers: halvings of the map in each network.
        num_scales: networks; each sees half the pixels a side of the one before.
        leak: slope of LeakyReLU for negative numbers.
    """

    def __init__(self, base_channels: int, num_layers: int, num_scales: int, *, leak: float = LEAK) -> None:
        super().__init__()
        self.scales = nn.ModuleList(one_scale(base_channels, num_layers, leak) for _ in range(num_scales))
        self.head_names = tuple(f"scale_{number + 1}" for number in range(num_scales))

    def forward(self, image: Image) -> Logits:
        x = image.contiguous(memory_format=torch.channels_last)
        logits: Logits = {}
        for name, network in zip(self.head_names, self.scales, strict=True):
            if logits:
                x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            logits[name] = network(x)
        return logits


def one_scale(base_channels: int, num_layers: int, leak: float) -> nn.Sequential:
    """Return layers of stride 2 with LeakyReLU and no norm, and a 1x1 convolution to one channel."""
    widths = [3, *(base_channels << number for number in range(num_layers))]
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [ReflectConv2d(before, after, 4, bias=True, stride=2), nn.LeakyReLU(leak, inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 1))
