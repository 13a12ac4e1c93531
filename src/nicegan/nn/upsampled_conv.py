"""A map at twice its side by repeated pixels, then a 5x5 convolution padded by reflection: as one 3x3 convolution.

The twofold map u has u[2i] = u[2i + 1] = x[i], so of the five rows that an output row sees, two pairs or one pair and
its neighbours are equal, and their weights add up (k0 ... k4 are the kernel's rows; columns alike):

    row 2i:      (k0 + k1) x[i - 1] + (k2 + k3) x[i] + k4 x[i + 1]
    row 2i + 1:  k0 x[i - 1] + (k1 + k2) x[i] + (k3 + k4) x[i + 1]

That is four kernels of 3x3 at the small side, 36 products for each pixel in place of 100, and the twofold map is
neither made nor kept. Outside, reflection of u is repetition of x but for u[-2] = x[1] and its like at the other edges:
there the first and last rows and columns are computed as they are written.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nicegan.nn.conv import ReflectConv2d, without_autocast

KERNEL, PADDING = 5, 2
SUMS = ((1, 1, 0, 0, 0), (0, 0, 1, 1, 0), (0, 0, 0, 0, 1)), ((1, 0, 0, 0, 0), (0, 1, 1, 0, 0), (0, 0, 0, 1, 1))


class UpsampledConv2d(ReflectConv2d):
    """The 5x5 convolution of a map at twice its side; the output has twice the side of the input."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, KERNEL, bias=True)

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c_out h2 w2"]:
        if input.is_cuda:  # not measured there, and padding by repetition has no repeatable gradient
            return super().forward(F.interpolate(input, scale_factor=2))
        assert self.bias is not None
        with without_autocast(input):
            sums = torch.tensor(SUMS, dtype=self.weight.dtype, device=input.device)
            small = torch.einsum("pri,qsj,ocij->opqcrs", sums, sums, self.weight).flatten(0, 2)
            small = small.contiguous(memory_format=torch.channels_last)
            padded = F.pad(input, (1, 1, 1, 1), mode="replicate")
        out = F.pixel_shuffle(F.conv2d(padded, small, self.bias.repeat_interleave(4)), 2)
        return self._with_edges(input, out)

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
        twofold = F.pad(F.interpolate(x, scale_factor=2), (PADDING,) * 4, mode="reflect")
        return F.conv2d(twofold[:, :, row : row + KERNEL], self.weight if weight is None else weight, self.bias)
