"""Convolutions to few channels: one row of the kernel at a time.

A GPU's convolutions compute at least 32 output channels and a CPU's 16, so one to 3 channels waste most of their work.
Here the k rows of a k x k kernel become output channels of their own: a 1 x k convolution to 3 k channels does a k-th
of the arithmetic, and the rows of each output pixel, which lie on a diagonal, are added up.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

MOST_ROWS = 32  # output channels that a GPU computes together
ALIGNMENT = 8  # channels that a GPU takes without copying them


def is_better(weight: Tensor, stride: tuple[int, ...]) -> bool:
    """Return whether a convolution with this weight is one to compute by rows."""
    out_channels, _, height, _ = weight.shape
    return not weight.is_meta and height > 1 and out_channels * height <= MOST_ROWS and set(stride) == {1}


def convolve(
    padded: Float[Tensor, "n c h_padded w_padded"], weight: Float[Tensor, "c_out c k k_w"]
) -> Float[Tensor, "n c_out h w"]:
    """Return the convolution without padding and of stride 1."""
    rows = _as_rows(weight)
    # One image at a time: for two of them cuDNN chooses an algorithm that takes eleven times as long.
    made = [F.conv2d(image, rows) for image in (padded.split(1) if padded.is_cuda else (padded,))]
    # Autocast would make the sums float32.
    return torch.cat([_diagonals(by_row, weight).sum(dim=2, dtype=by_row.dtype) for by_row in made])


def gradients(
    grad: Float[Tensor, "n c_out h w"], padded: Tensor, weight: Tensor, wanted: list[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of `padded` and of `weight`, those that are wanted."""
    if not grad.is_cuda:  # a CPU loses nothing on the input's gradient: the few channels are what it sums over
        grad_padded, _ = _gradients(grad, padded, weight, [wanted[0], False])
        return grad_padded, gradients_by_row(grad, padded, weight, [False, True])[1] if wanted[1] else None
    return gradients_by_row(grad, padded, weight, wanted)


def gradients_by_row(
    grad: Float[Tensor, "n c_out h w"], padded: Tensor, weight: Tensor, wanted: list[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of `padded` and of `weight`, both from the convolution to rows."""
    rows = _as_rows(weight)
    size = (grad.shape[0], len(rows), padded.shape[2], grad.shape[3])
    by_row = grad.new_zeros(size).contiguous(memory_format=torch.channels_last)
    _diagonals(by_row, weight).copy_(grad[:, :, None].expand(-1, -1, weight.shape[2], -1, -1))
    grad_padded, grad_rows = _gradients(by_row, padded, rows, wanted)
    if grad_rows is None:
        return grad_padded, None
    out_channels, channels, height, width = weight.shape
    grad_weight = grad_rows[: out_channels * height].view(out_channels, height, channels, width).transpose(1, 2)
    return grad_padded, grad_weight


def _gradients(grad: Tensor, padded: Tensor, weight: Tensor, wanted: list[bool]) -> tuple[Tensor | None, Tensor | None]:
    grad_padded, grad_weight, _ = torch.ops.aten.convolution_backward(
        grad, padded, weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [*wanted[:2], False],  # noqa: FBT003
    )  # fmt: skip
    return grad_padded, grad_weight


def _as_rows(weight: Tensor) -> Float[Tensor, "rows c 1 k_w"]:
    """Return the kernel with each of its rows as an output channel; for a GPU, and zeros up to a number it likes."""
    out_channels, channels, height, width = weight.shape
    rows = weight.transpose(1, 2).reshape(out_channels * height, channels, 1, width)
    if rows.is_cuda:
        rows = F.pad(rows, (0, 0, 0, 0, 0, 0, 0, -len(rows) % ALIGNMENT))
    return rows.contiguous(memory_format=torch.channels_last)


def _diagonals(by_row: Float[Tensor, "n rows h_padded w"], weight: Tensor) -> Float[Tensor, "n c_out k h w"]:
    """Return a view: what row i of the kernel makes for the output row y lies in row y + i."""
    out_channels, _, height, _ = weight.shape
    of_image, of_row, of_y, of_x = by_row.stride()
    size = (by_row.shape[0], out_channels, height, by_row.shape[2] - height + 1, by_row.shape[3])
    return by_row.as_strided(size, (of_image, height * of_row, of_row + of_y, of_y, of_x))
