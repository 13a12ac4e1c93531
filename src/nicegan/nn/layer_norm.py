"""Layer normalisation over a whole image: (x - mean) / (deviation + eps), then a gamma and beta for each channel.

Source: Ba et al., 2016, as Huang et al., ECCV 2018, have it: the deviation is unbiased, eps stands outside the root.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nicegan.nn import statistics
from nicegan.nn.norm import EPSILON, Affine, apply_affine, layer_moments


class LayerNorm(nn.Module):
    """Normalisation of each image over channels and pixels, followed by ReLU; gamma begins uniform in [0, 1]."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(num_channels))
        self.beta = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        mean, variance = layer_moments(statistics.moments(x), statistics.num_pixels(x))
        scale = self.gamma / (variance.sqrt() + EPSILON)
        return apply_affine(x, Affine(scale, self.beta - scale * mean), rectify=True)


class ImageNorm(nn.GroupNorm):
    """Normalisation of each image over channels and pixels, by the biased variance: a `GroupNorm` of one group."""

    def __init__(self, num_channels: int) -> None:
        super().__init__(1, num_channels)

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        if statistics.of_whole_maps():
            return super().forward(input)
        num_pixels = statistics.num_pixels(input)
        mean, variance = layer_moments(statistics.moments(input), num_pixels)
        num_values = num_pixels * self.num_channels
        scale = self.weight * (variance * ((num_values - 1) / num_values) + self.eps).rsqrt()
        return apply_affine(input, Affine(scale, self.bias - scale * mean), rectify=False)
