"""Sums over images and pixels for channels-last tensors; PyTorch's own take several times as long (docs/LOG.md)."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

ROWS = 64  # pixels that a program reads at a time
CHANNELS_AT_ONCE = 64
MOST_SPLITS = 64


@triton.jit
def _partial_sums(x_ptr, out_ptr, pixels, rows, C: tl.constexpr, BLOCK_C: tl.constexpr, ROWS: tl.constexpr):
    split = tl.program_id(0)
    channel = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    known = channel < C
    total = tl.zeros((BLOCK_C,), tl.float32)
    for start in range(0, rows, ROWS):
        pixel = split.to(tl.int64) * rows + start + tl.arange(0, ROWS)
        inside = (pixel < pixels)[:, None] & known[None, :]
        value = tl.load(x_ptr + pixel[:, None] * C + channel[None, :], mask=inside, other=0.0)
        total += tl.sum(value.to(tl.float32), axis=0)
    tl.store(out_ptr + split * C + channel, total, mask=known)


def channel_sums(x: Float[Tensor, "n c h w"]) -> Float[Tensor, " c"]:
    """Return each channel's sum over images and pixels, added up in float32 in a fixed order, as x came."""
    x = x.contiguous(memory_format=torch.channels_last)
    channels, pixels = x.shape[1], x.numel() // x.shape[1]
    rows = ROWS * triton.cdiv(pixels, ROWS * MOST_SPLITS)
    splits = triton.cdiv(pixels, rows)
    block = min(CHANNELS_AT_ONCE, triton.next_power_of_2(channels))
    parts = x.new_empty((splits, channels), dtype=torch.float32)
    _partial_sums[(splits, triton.cdiv(channels, block))](x, parts, pixels, rows, C=channels, BLOCK_C=block, ROWS=ROWS)
    return parts.sum(dim=0).to(x.dtype)
