"""The generator of MUNIT, steered by a style; its encoders are `nn/content_encoder.py` and `nn/style_encoder.py`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nicegan.nn.conv import ReflectConv2d, without_autocast
from nicegan.nn.instance_norm import adaptive_instance_norm
from nicegan.nn.layer_norm import LayerNorm
from nicegan.nn.statistics import PerChannel, at_least_float32
from nicegan.nn.upsampled_conv import UpsampledConv5x5
from nicegan.shapes import Features, Image, Latent

Style = Float[Tensor, "n style"]


class StyleMLP(nn.Module):
    """style -> shift and scale of each adaptive normalisation, in the layers' order: three linear layers.

    In float32 whatever autocast says: casting the weights would take longer than the products.
    """

    def __init__(self, style_features: int, mlp_features: int, num_numbers: int) -> None:
        super().__init__()
        self.first = nn.Linear(style_features, mlp_features)
        self.second = nn.Linear(mlp_features, mlp_features)
        self.exit = nn.Linear(mlp_features, num_numbers)

    def forward(self, style: Style) -> Float[Tensor, "n numbers"]:
        with without_autocast(style):
            return self.exit(F.relu_(self.second(F.relu_(self.first(at_least_float32(style))))))


class AdaptiveBlock(nn.Module):
    """x + AdaIN(conv(relu(AdaIN(conv(x))))), with AdaIN(y) = scale * IN(y) + shift"""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.conv1 = ReflectConv2d(num_channels, num_channels, 3, bias=True)
        self.conv2 = ReflectConv2d(num_channels, num_channels, 3, bias=True)

    def forward(self, x: Features, numbers: tuple[PerChannel, PerChannel, PerChannel, PerChannel]) -> Features:
        shift1, scale1, shift2, scale2 = numbers
        inner = adaptive_instance_norm(self.conv1(x), scale1, shift1, rectify=True)
        return x + adaptive_instance_norm(self.conv2(inner), scale2, shift2, rectify=False)


class Generator(nn.Module):
    """content and style -> image of this domain."""

    def __init__(self, base_channels: int, num_blocks: int, style_features: int, mlp_features: int) -> None:
        super().__init__()
        c = base_channels
        self.mlp = StyleMLP(style_features, mlp_features, num_blocks * 4 * (4 * c))
        self.blocks = nn.ModuleList(AdaptiveBlock(4 * c) for _ in range(num_blocks))
        self.ups = nn.Sequential(
            UpsampledConv5x5(4 * c, 2 * c), LayerNorm(2 * c),  # (n, 2c, h/2, w/2)
            UpsampledConv5x5(2 * c, c), LayerNorm(c),  # (n, c, h, w)
        )  # fmt: skip
        self.exit = ReflectConv2d(c, 3, 7, bias=True)

    def forward(self, content: Latent, style: Style) -> Image:
        numbers = self.mlp(style).unflatten(1, (len(self.blocks), 4, -1))  # (n, blocks, 4, 4c)
        x = content  # (n, 4c, h/4, w/4)
        for number, block in enumerate(self.blocks):
            x = block(x, numbers[:, number].unbind(dim=1))
        return torch.tanh(self.exit(self.ups(x)))  # (n, 3, h, w)
