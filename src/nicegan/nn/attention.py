"""The class activation map (CAM) and the residual attention built on its weights.

Source: Chen et al., CVPR 2020. `ClassActivation` is the classifier C0: one logit from the channels' averages and
maxima. Its weights say how much each channel matters, and the attention re-weights the channels by them.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nicegan.nn import statistics
from nicegan.nn.spectral import SpectralLinear

LEAK = 0.2
Map = Float[Tensor, "n c h w"]


class ClassActivation(SpectralLinear):
    """The logit of [average; maximum] of every channel."""

    def __init__(self, num_channels: int) -> None:
        super().__init__(2 * num_channels, 1)

    def forward(self, input: Map) -> Float[Tensor, "n 1"]:
        average, maximum = statistics.mean(input), statistics.largest(input)
        return super().forward(torch.cat([average, maximum], dim=1))


class _Attended(nn.Module):
    """mix([x, x] * w): the map twice, weighted by the CAM's un-normalised weights, mixed by a 1x1 convolution.

    The doubled map is never made. The convolution is linear, so w moves into its kernel and the two halves add up.
    """

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2 * num_channels, num_channels, kernel_size=1)

    def forward(self, x: Map, weight: Float[Tensor, "1 two_c"]) -> Map:
        by_average, by_maximum = (self.mix.weight * weight[0, :, None, None]).chunk(2, dim=1)
        return F.conv2d(x, by_average + by_maximum, self.mix.bias)


class ResidualAttention(nn.Module):
    """latent = LeakyReLU(gate * attended + x), with a learned gate that starts closed."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.attended = _Attended(num_channels)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, x: Map, weight: Float[Tensor, "1 two_c"]) -> Map:
        return F.leaky_relu_(torch.addcmul(x, self.attended(x, weight), self.gate), LEAK)


class PlainAttention(nn.Module):
    """latent = LeakyReLU(attended): the attended features replace x."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.attended = _Attended(num_channels)

    def forward(self, x: Map, weight: Float[Tensor, "1 two_c"]) -> Map:
        return F.leaky_relu_(self.attended(x, weight), LEAK)
