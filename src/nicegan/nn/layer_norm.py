"""Layer normalisation over a whole image: (x - mean) / (deviation + eps), then a gamma and beta for each channel.

Source: Ba et al., 2016, as Huang et al., ECCV 2018, have it: the deviation is unbiased, eps stands outside the root.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nicegan.nn.norm import EPSILON, Affine, apply_affine, instance_moments, layer_moments


class LayerNorm(nn.Module):
    """Normalisation of each image over channels and pixels, followed by ReLU; gamma begins uniform in [0, 1]."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(num_channels))
        self.beta = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        mean, variance = layer_moments(instance_moments(x), x[0, 0].numel())
        scale = self.gamma / (variance.sqrt() + EPSILON)
        return apply_affine(x, Affine(scale, self.beta - scale * mean), rectify=True)
