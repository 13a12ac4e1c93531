"""A map at twice its side by repeated pixels, then a 3x3 convolution padded by reflection: as one 2x2 convolution.

The twofold map u has u[2i] = u[2i + 1] = x[i], so two of the three rows that an output row sees are equal, and their
weights add up (k0, k1, k2 are the kernel's rows; columns alike):

    row 2i:      k0 x[i - 1] + (k1 + k2) x[i]
    row 2i + 1:  (k0 + k1) x[i] + k2 x[i + 1]

That is four kernels of 2x2 at the small side, 16 products for each pixel in place of 36, and the twofold map is neither
made nor kept. Outside, the reflection u[-1] = u[1] is x[0] once more. All four kernels see every 2x2 window, of which
there is one more than pixels in each direction; row 2i is made of window i, and row 2i + 1 of window i + 1.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from nicegan.nn.conv import Recompute, ReflectConv2d, with_recompute, without_autocast

KERNEL = 3
SUMS = ((1.0, 0.0, 0.0), (0.0, 1.0, 1.0)), ((1.0, 1.0, 0.0), (0.0, 0.0, 1.0))  # by parity of the output row, and tap


class NearestConv2d(ReflectConv2d):
    """The 3x3 convolution of a map at twice its side; the output has twice the side of the input."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, KERNEL, bias=False)

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c_out h2 w2"]:
        if input.is_cuda:  # not measured there, and padding by repetition has no repeatable gradient
            return super().forward(_twofold(input))
        with without_autocast(input):
            small = _small_kernels(self.weight)
            padded = F.pad(input, (1, 1, 1, 1), mode="replicate")
        return _Interleave.apply(F.conv2d(padded, small))  # pyright: ignore[reportReturnType]


def _twofold(x: Tensor) -> Float[Tensor, "n c h2 w2"]:
    """Return the map at twice its side; the backward pass of its convolution keeps the small map only."""
    twofold = F.interpolate(x, scale_factor=2)
    again = Recompute(lambda kept: F.interpolate(kept, scale_factor=2), (x.detach(),))
    return with_recompute(twofold, again) if x.requires_grad else twofold


def _small_kernels(weight: Float[Tensor, "c_out c 3 3"]) -> Float[Tensor, "four_c_out c 2 2"]:
    """Return the kernels of an even and an odd row and column, c_out channels each."""
    sums = torch.tensor(SUMS, dtype=weight.dtype, device=weight.device).flatten(0, 1)
    taps = weight.permute(0, 2, 3, 1).flatten(1, 2)  # (c_out, 9, c)
    small = torch.kron(sums, sums) @ taps  # rows by (row's parity, tap), then columns alike
    by_parity = small.unflatten(1, (2, 2, 2, 2)).permute(1, 3, 0, 2, 4, 5)
    return by_parity.flatten(0, 2).permute(0, 3, 1, 2)


def _windows(x: Float[Tensor, "n four_c h_more w_more"]) -> Float[Tensor, "n h 2 w 2 c"]:
    """Return a view: output row 2i + p, column 2j + q is in channels (p, q) of window (i + p, j + q)."""
    n, channels, height, width = x.shape
    c = channels // 4
    of_image, of_channel, of_row, of_column = x.stride()
    strides = (of_image, of_row, of_row + 2 * c * of_channel, of_column, of_column + c * of_channel, of_channel)
    return x.as_strided((n, height - 1, 2, width - 1, 2, c), strides)


class _Interleave(torch.autograd.Function):
    """The four kernels' outputs as one map; autograd's own gradient of such a view takes an index for each number."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape = x.shape
        return _windows(x).flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        grad_x = grad_outputs[0].new_zeros(ctx.shape).contiguous(memory_format=torch.channels_last)
        pixels = grad_outputs[0].permute(0, 2, 3, 1)
        _windows(grad_x).copy_(pixels.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)))
        return grad_x
