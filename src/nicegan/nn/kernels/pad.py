"""Padding by reflection for channels-last tensors; PyTorch's own kernel copies them to channels-first and back.

The gradient gathers: each pixel adds up the padded pixels that mirror it, so the same input gives the same bits.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

BLOCK = 1024  # values of one padded row that a program writes


@triton.jit
def _mirror(i, size):
    """The index in [0, size) that the padded index i in (-size, 2 size - 1) mirrors."""
    i = tl.abs(i)
    return tl.where(i >= size, 2 * (size - 1) - i, i)


@triton.jit
def _pad(
    x_ptr, out_ptr, scale_ptr, shift_ptr, height, width, padding,
    CHANNELS: tl.constexpr, AFFINE: tl.constexpr, RECTIFY: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    padded_height, padded_width = height + 2 * padding, width + 2 * padding
    row = tl.program_id(0)
    image, i = row // padded_height, row % padded_height
    offset = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = offset < padded_width * CHANNELS
    j, channel = offset // CHANNELS, offset % CHANNELS
    source_row = (image * height + _mirror(i - padding, height)).to(tl.int64) * width
    value = tl.load(x_ptr + (source_row + _mirror(j - padding, width)) * CHANNELS + channel, mask=inside)
    if AFFINE:
        scale = tl.load(scale_ptr + image * CHANNELS + channel, mask=inside)
        shift = tl.load(shift_ptr + image * CHANNELS + channel, mask=inside)
        value = value.to(tl.float32) * scale + shift
        if RECTIFY:
            value = tl.maximum(value, 0.0)
    target = row.to(tl.int64) * padded_width * CHANNELS + offset
    tl.store(out_ptr + target, value.to(out_ptr.dtype.element_ty), mask=inside)


@triton.jit
def _unpad(grad_ptr, out_ptr, height, width, padding, CHANNELS: tl.constexpr, BLOCK: tl.constexpr):
    padded_height, padded_width = height + 2 * padding, width + 2 * padding
    row = tl.program_id(0)
    image, i = row // height, row % height + tl.zeros((BLOCK,), tl.int32)
    offset = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = offset < width * CHANNELS
    j, channel = offset // CHANNELS, offset % CHANNELS
    total = tl.zeros((BLOCK,), tl.float32)
    # A pixel is read at its own index, and once more where it is mirrored at the first or at the last border.
    for a in tl.static_range(3):
        if a == 0:
            from_i, row_shown = i + padding, i >= 0
        elif a == 1:
            from_i, row_shown = padding - i, (i >= 1) & (i <= padding)
        else:
            from_i = 2 * (height - 1) - i + padding
            row_shown = (i >= height - 1 - padding) & (i <= height - 2)
        base = (image * padded_height + from_i).to(tl.int64) * padded_width
        for b in tl.static_range(3):
            if b == 0:
                from_j, shown = j + padding, inside & row_shown
            elif b == 1:
                from_j, shown = padding - j, inside & row_shown & (j >= 1) & (j <= padding)
            else:
                from_j = 2 * (width - 1) - j + padding
                shown = inside & row_shown & (j >= width - 1 - padding) & (j <= width - 2)
            address = grad_ptr + (base + from_j) * CHANNELS + channel
            total += tl.load(address, mask=shown, other=0.0).to(tl.float32)
    target = row.to(tl.int64) * width * CHANNELS + offset
    tl.store(out_ptr + target, total.to(out_ptr.dtype.element_ty), mask=inside)


def reflect_pad(
    x: Float[Tensor, "n c h w"],
    padding: int,
    affine: tuple[Tensor, Tensor] | None = None,
    *,
    rectify: bool = False,
) -> Float[Tensor, "n c h_padded w_padded"]:
    """Return scale * x + shift (ReLU of it if `rectify`), padded on every side, in channels-last order.

    Args:
        x: any values; `padding` must be smaller than both sides.
        padding: pixels on each side.
        affine: scale and shift, each (n, c) in float32; None pads x itself.
        rectify: whether ReLU follows the affine map.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    n, c, height, width = x.shape
    size = (n, c, height + 2 * padding, width + 2 * padding)
    out = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    scale, shift = affine if affine else (x, x)
    grid = (n * size[2], triton.cdiv(size[3] * c, BLOCK))
    _pad[grid](
        x, out, scale, shift, height, width, padding,
        CHANNELS=c, AFFINE=affine is not None, RECTIFY=rectify, BLOCK=BLOCK,
    )  # fmt: skip
    return out


def unpad_gradient(gradient: Float[Tensor, "n c h_padded w_padded"], padding: int) -> Float[Tensor, "n c h w"]:
    """Return the gradient of `reflect_pad`'s input from that of its result, without an affine map."""
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    n, c, height, width = gradient.shape
    height, width = height - 2 * padding, width - 2 * padding
    out = torch.empty(
        (n, c, height, width), dtype=gradient.dtype, device=gradient.device, memory_format=torch.channels_last
    )
    grid = (n * height, triton.cdiv(width * c, BLOCK))
    _unpad[grid](gradient, out, height, width, padding, CHANNELS=c, BLOCK=BLOCK)
    return out
