"""Layer normalisation over a whole image: (x - mean) / (deviation + eps), then a gamma and beta for each channel.

Source: Ba et al., 2016, as Huang et al., ECCV 2018, have it: the deviation is unbiased, eps stands outside the root.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nicegan.nn.norm import EPSILON, Affine, apply_affine, at_least_float32, instance_moments


class LayerNorm(nn.Module):
    """Normalisation of each image over channels and pixels, followed by ReLU; gamma begins uniform in [0, 1]."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(num_channels))
        self.beta = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        num_channels, num_pixels = x.shape[1], x[0, 0].numel()
        means, variances = instance_moments(at_least_float32(x))
        mean = means.mean(dim=1, keepdim=True)
        within = (num_pixels - 1) * variances.sum(dim=1, keepdim=True)
        between = num_pixels * (means - mean).square().sum(dim=1, keepdim=True)
        deviation = ((within + between) / (num_channels * num_pixels - 1)).sqrt()
        scale = self.gamma / (deviation + EPSILON)
        return apply_affine(x, Affine(scale, self.beta - scale * mean), rectify=True)
