"""A map at twice its side by repeated pixels, then a convolution padded by reflection: as one smaller convolution.

The twofold map u has u[2i] = u[2i + 1] = x[i], so some of the rows that an output row sees are equal, and their weights
add up. The twofold map is neither made nor kept. With k0, k1 ... the kernel's rows (columns alike), for 5x5

    row 2i:      (k0 + k1) x[i - 1] + (k2 + k3) x[i] + k4 x[i + 1]
    row 2i + 1:  k0 x[i - 1] + (k1 + k2) x[i] + (k3 + k4) x[i + 1]

which is four kernels of 3x3 at the small side, 36 products for each pixel in place of 100, and for 3x3

    row 2i:      k0 x[i - 1] + (k1 + k2) x[i]
    row 2i + 1:  (k0 + k1) x[i] + k2 x[i + 1]

which is four kernels of 2x2, 16 products in place of 36. Outside, reflection of u is repetition of x, but with 5x5 for
u[-2] = x[1] and its like at the other edges: there the first and last rows and columns are computed as written.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from nicegan.nn.conv import Recompute, ReflectConv2d, with_recompute, without_autocast

Sums = tuple[tuple[tuple[float, ...], ...], tuple[tuple[float, ...], ...]]  # by parity of the output row, and tap


class _UpsampledConv(ReflectConv2d):
    """The convolution of a map at twice its side; the output has twice the side of the input."""

    sums: ClassVar[Sums]

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c_out h2 w2"]:
        if input.is_cuda:  # not measured there, and padding by repetition has no repeatable gradient
            return super().forward(_twofold(input))
        with without_autocast(input):
            small = _small_kernels(self.weight, self.sums)
            padded = F.pad(input, (1, 1, 1, 1), mode="replicate")
        return self._convolve_small(input, padded, small)

    def _convolve_small(self, x: Tensor, padded: Tensor, small: Float[Tensor, "2 2 c_out c r s"]) -> Tensor:
        """Return the output from x padded by one repeated pixel, and from the kernels by parity of row and column."""
        raise NotImplementedError


class UpsampledConv3x3(_UpsampledConv):
    """The 3x3 convolution, without a bias, of a map at twice its side.

    All four kernels see every 2x2 window, of which there is one more than pixels in each direction; row 2i is made of
    window i, and row 2i + 1 of window i + 1.
    """

    sums = ((1.0, 0.0, 0.0), (0.0, 1.0, 1.0)), ((1.0, 1.0, 0.0), (0.0, 0.0, 1.0))

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, bias=False)

    def _convolve_small(self, x: Tensor, padded: Tensor, small: Float[Tensor, "2 2 c_out c r s"]) -> Tensor:
        return _Interleave.apply(F.conv2d(padded, small.flatten(0, 2)))  # pyright: ignore[reportReturnType]


class UpsampledConv5x5(_UpsampledConv):
    """The 5x5 convolution, with a bias, of a map at twice its side."""

    sums = (
        ((1.0, 1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 1.0, 0.0), (0.0, 0.0, 0.0, 0.0, 1.0)),
        ((1.0, 0.0, 0.0, 0.0, 0.0), (0.0, 1.0, 1.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0, 1.0)),
    )

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 5, bias=True)

    def _convolve_small(self, x: Tensor, padded: Tensor, small: Float[Tensor, "2 2 c_out c r s"]) -> Tensor:
        assert self.bias is not None
        kernels = small.permute(2, 0, 1, 3, 4, 5).flatten(0, 2).contiguous(memory_format=torch.channels_last)
        return self._with_edges(x, F.pixel_shuffle(F.conv2d(padded, kernels, self.bias.repeat_interleave(4)), 2))

    def _with_edges(self, x: Tensor, out: Tensor) -> Tensor:
        """Return the output with its first and last rows and columns computed from the twofold map."""
        top, bottom = self._edge(x[:, :, :2], 0), self._edge(x[:, :, -2:], 3)
        x, inner = x.transpose(2, 3), out[:, :, 1:-1, 1:-1]
        weight = self.weight.transpose(2, 3)
        left, right = self._edge(x[:, :, :2], 0, weight), self._edge(x[:, :, -2:], 3, weight)
        sides = [edge.transpose(2, 3)[:, :, 1:-1] for edge in (left, right)]
        return torch.cat([top, torch.cat([sides[0], inner, sides[1]], dim=3), bottom], dim=2)

    def _edge(
        self, x: Float[Tensor, "n c 2 w"], row: int, weight: Tensor | None = None
    ) -> Float[Tensor, "n c_out 1 w2"]:
        """Return one row of the output of two rows of a map: `row` 0 at their upper edge or 3 at their lower."""
        twofold = F.pad(F.interpolate(x, scale_factor=2), (2, 2, 2, 2), mode="reflect")
        return F.conv2d(twofold[:, :, row : row + 5], self.weight if weight is None else weight, self.bias)


def _twofold(x: Tensor) -> Float[Tensor, "n c h2 w2"]:
    """Return the map at twice its side; the backward pass of its convolution keeps the small map only."""
    twofold = F.interpolate(x, scale_factor=2)
    again = Recompute(lambda kept: F.interpolate(kept, scale_factor=2), (x.detach(),))
    return with_recompute(twofold, again) if x.requires_grad else twofold


def _small_kernels(weight: Float[Tensor, "c_out c k k"], sums: Sums) -> Float[Tensor, "2 2 c_out c r s"]:
    """Return the kernels of even and odd rows, and columns."""
    num_taps = len(sums[0])
    sums_of_rows = torch.tensor(sums, dtype=weight.dtype, device=weight.device).flatten(0, 1)  # (parity, tap) by row
    taps = weight.permute(0, 2, 3, 1).flatten(1, 2)  # (c_out, k k, c)
    small = torch.kron(sums_of_rows, sums_of_rows) @ taps
    return small.unflatten(1, (2, num_taps, 2, num_taps)).permute(1, 3, 0, 5, 2, 4)


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
