"""A summary of a map that steers adaptive normalisations: gamma and beta for all of them."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nicegan.nn import statistics
from nicegan.nn.conv import without_autocast
from nicegan.nn.statistics import at_least_float32
from nicegan.shapes import Features

Vector = Float[Tensor, "n c"]


class Style(NamedTuple):
    """The scale and shift of every adaptive normalisation in the body."""

    gamma: Vector
    beta: Vector


class StyleHead(nn.Module):
    """summary -> style: two linear layers with ReLU, then one linear layer each for gamma and beta; no biases.

    In float32 whatever autocast says: casting the weights would take longer than the products.
    """

    def __init__(self, in_features: int, num_channels: int) -> None:
        super().__init__()
        self.first = nn.Linear(in_features, num_channels, bias=False)
        self.second = nn.Linear(num_channels, num_channels, bias=False)
        self.gamma = nn.Linear(num_channels, num_channels, bias=False)
        self.beta = nn.Linear(num_channels, num_channels, bias=False)

    def forward(self, summary: Float[Tensor, "n f"]) -> Style:
        with without_autocast(summary):
            hidden = F.relu_(self.second(F.relu_(self.first(at_least_float32(summary)))))
            return Style(self.gamma(hidden), self.beta(hidden))


class PooledSummary(nn.Module):
    """Features -> style from the channels' averages: any image size ("light" in the published code)."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.head = StyleHead(num_channels, num_channels)

    def forward(self, x: Features) -> Style:
        return self.head(statistics.mean(x))


class FlatSummary(nn.Module):
    """Features -> style from every value of the map: one image size only, and most of the model's weights."""

    def __init__(self, num_channels: int, height: int, width: int) -> None:
        super().__init__()
        self.size = (height, width)
        self.head = StyleHead(num_channels * height * width, num_channels)

    def forward(self, x: Features) -> Style:
        if x.shape[2:] != self.size:
            raise ValueError(f"this summary takes maps of {self.size} only, not {tuple(x.shape[2:])}")
        return self.head(x.flatten(1))
