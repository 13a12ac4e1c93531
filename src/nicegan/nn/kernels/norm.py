"""The mixed normalisation of `nicegan.nn.norm` in three launches.

The first reads the map for sums (over blocks of rows, so that the whole card works), the second turns the sums of an
image into one affine map per channel in a single program, and the third reads the map once more to apply it. Sums run
in a fixed order, so the same input gives the same bits.

Symbols: m, v are a channel's mean and variance over P pixels; M, V the layer's over C channels; p, q the shares of
instance and layer; r = 1 / sqrt(v + eps), R = 1 / sqrt(V + eps). Then out = scale * x + shift with

    scale = gamma (p r + q R)        shift = beta - gamma (p r m + q R M)
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

ROWS = 64  # pixels that a program reads at a time
CHANNELS_AT_ONCE = 64
MOST_PARTIALS = 8192  # sums of one image that the one program per image reads
EPSILON = 1e-5


class Tiling(NamedTuple):
    """How a map of (n, c, pixels) is shared out: `splits` blocks of `rows` pixels each."""

    pixels: int
    channels: int
    rows: int
    splits: int
    block_c: int
    all_channels: int  # the next power of two
    all_splits: int


def tiling_of(x: Tensor) -> Tiling:
    """Choose blocks for `x` (n, c, h, w): as many as one program per image can still add up quickly."""
    channels, pixels = x.shape[1], x.shape[2] * x.shape[3]
    all_channels = triton.next_power_of_2(channels)
    most = max(1, MOST_PARTIALS // all_channels)
    rows = ROWS * triton.cdiv(pixels, ROWS * min(most, triton.cdiv(pixels, 2 * ROWS)))
    splits = triton.cdiv(pixels, rows)
    block_c = min(CHANNELS_AT_ONCE, all_channels)
    return Tiling(pixels, channels, rows, splits, block_c, all_channels, triton.next_power_of_2(splits))


@triton.jit
def _partial_moments(
    x_ptr, mean_ptr, square_ptr, pixels, rows, C: tl.constexpr, BLOCK_C: tl.constexpr, ROWS: tl.constexpr
):
    """Mean, and sum of squared distances from it, of each channel in one block of pixels."""
    split, image, num_splits = tl.program_id(0), tl.program_id(1), tl.num_programs(0)
    channel = tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)
    known = channel < C
    first = split * rows
    # Sums of the distances from one value of the block: as exact as from the mean, and no step waits for another.
    centre = tl.load(x_ptr + (image.to(tl.int64) * pixels + first) * C + channel, mask=known, other=0.0).to(tl.float32)
    total, squares = tl.zeros((BLOCK_C,), tl.float32), tl.zeros((BLOCK_C,), tl.float32)
    for start in range(0, rows, ROWS):
        pixel = first + start + tl.arange(0, ROWS)
        inside = (pixel < pixels)[:, None] & known[None, :]
        address = (image.to(tl.int64) * pixels + pixel)[:, None] * C + channel[None, :]
        away = tl.load(x_ptr + address, mask=inside, other=0.0).to(tl.float32) - centre[None, :]
        away = tl.where(inside, away, 0.0)
        total += tl.sum(away, axis=0)
        squares += tl.sum(away * away, axis=0)
    number = tl.minimum(pixels - first, rows).to(tl.float32)
    mean = centre + total / number
    squares = tl.maximum(squares - total * total / number, 0.0)
    target = (image * num_splits + split) * C + channel
    tl.store(mean_ptr + target, mean, mask=known)
    tl.store(square_ptr + target, squares, mask=known)


@triton.jit
def _affine(
    mean_parts, square_parts, gamma_ptr, beta_ptr, mix_ptr, out_ptr, gamma_stride, beta_stride,
    images, pixels, rows, splits, epsilon, C: tl.constexpr, ALL_C: tl.constexpr, ALL_SPLITS: tl.constexpr,
):  # fmt: skip
    """One image's sums -> mean, variance, scale and shift of every channel, the four rows of `out` (4, n, c)."""
    image = tl.program_id(0)
    channel, split = tl.arange(0, ALL_C), tl.arange(0, ALL_SPLITS)
    known = channel < C
    inside = (split < splits)[:, None] & known[None, :]
    address = (image * splits + split)[:, None] * C + channel[None, :]
    means = tl.load(mean_parts + address, mask=inside, other=0.0)
    squares = tl.load(square_parts + address, mask=inside, other=0.0)
    numbers = tl.maximum(tl.minimum(pixels - split * rows, rows), 0).to(tl.float32)[:, None]
    mean = tl.sum(means * numbers, axis=0) / pixels
    away = tl.where(inside, means - mean[None, :], 0.0)
    total = tl.sum(squares + away * away * numbers, axis=0)
    variance = total / tl.maximum(pixels - 1, 1)

    layer_mean = tl.sum(mean, axis=0) / C
    apart = tl.where(known, mean - layer_mean, 0.0)
    layer_variance = (tl.sum(total, axis=0) + pixels * tl.sum(apart * apart, axis=0)) / (C * (pixels * 1.0) - 1.0)
    first = tl.load(mix_ptr + 2 * channel, mask=known, other=0.0)
    second = tl.load(mix_ptr + 2 * channel + 1, mask=known, other=0.0)
    p = 1.0 / (1.0 + tl.exp(second - first))
    instance = p / tl.sqrt(variance + epsilon)
    layer = (1.0 - p) / tl.sqrt(layer_variance + epsilon)
    here = image * C + channel
    gamma = tl.load(gamma_ptr + image * gamma_stride + channel, mask=known, other=0.0).to(tl.float32)
    beta = tl.load(beta_ptr + image * beta_stride + channel, mask=known, other=0.0).to(tl.float32)
    rest = images * C
    tl.store(out_ptr + here, mean, mask=known)
    tl.store(out_ptr + rest + here, variance, mask=known)
    tl.store(out_ptr + 2 * rest + here, gamma * (instance + layer), mask=known)
    tl.store(out_ptr + 3 * rest + here, beta - gamma * (instance * mean + layer * layer_mean), mask=known)


@triton.jit
def _apply(
    x_ptr, out_ptr, scale_ptr, shift_ptr, pixels, rows,
    C: tl.constexpr, BLOCK_C: tl.constexpr, ROWS: tl.constexpr, RECTIFY: tl.constexpr,
):  # fmt: skip
    """out = scale * x + shift, then ReLU if RECTIFY."""
    split, image = tl.program_id(0), tl.program_id(1)
    channel = tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)
    known = channel < C
    scale = tl.load(scale_ptr + image * C + channel, mask=known)[None, :]
    shift = tl.load(shift_ptr + image * C + channel, mask=known)[None, :]
    for start in range(0, rows, ROWS):
        pixel = split * rows + start + tl.arange(0, ROWS)
        inside = (pixel < pixels)[:, None] & known[None, :]
        address = (image.to(tl.int64) * pixels + pixel)[:, None] * C + channel[None, :]
        out = tl.load(x_ptr + address, mask=inside).to(tl.float32) * scale + shift
        if RECTIFY:
            out = tl.maximum(out, 0.0)
        tl.store(out_ptr + address, out.to(out_ptr.dtype.element_ty), mask=inside)


class Forward(NamedTuple):
    """The normalised map, and mean, variance, scale and shift per image and channel (4, n, c) in float32."""

    out: Tensor
    affine: Tensor


def normalise(  # noqa: PLR0913
    x: Tensor, gamma: Tensor, beta: Tensor, mix: Tensor, *, rectify: bool, epsilon: float = EPSILON
) -> Forward:
    """Return what `nicegan.nn.norm.normalise` computes, for a map (n, c, h, w) in single or half precision."""
    x = x.contiguous(memory_format=torch.channels_last)
    n, (t, c) = x.shape[0], (tiling_of(x), x.shape[1])
    assert c == 1 or gamma.stride(1) == beta.stride(1) == 1, "a row's numbers follow each other"
    parts = x.new_empty((2, n, t.splits, c), dtype=torch.float32)
    affine = x.new_empty((4, n, c), dtype=torch.float32)
    grid = (t.splits, n, triton.cdiv(c, t.block_c))
    _partial_moments[grid](x, parts[0], parts[1], t.pixels, t.rows, C=c, BLOCK_C=t.block_c, ROWS=ROWS)
    _affine[(n,)](
        parts[0], parts[1], gamma, beta, mix, affine, gamma.stride(0), beta.stride(0),
        n, t.pixels, t.rows, t.splits, epsilon, C=c, ALL_C=t.all_channels, ALL_SPLITS=t.all_splits, num_warps=8,
    )  # fmt: skip
    return Forward(apply_affine(x, affine[2], affine[3], rectify=rectify), affine)


def apply_affine(x: Tensor, scale: Tensor, shift: Tensor, *, rectify: bool) -> Tensor:
    """Return scale * x + shift per image and channel, then ReLU if `rectify`, as x came."""
    x = x.contiguous(memory_format=torch.channels_last)
    t, out = tiling_of(x), torch.empty_like(x)
    grid = (t.splits, x.shape[0], triton.cdiv(t.channels, t.block_c))
    _apply[grid](x, out, scale, shift, t.pixels, t.rows, C=t.channels, BLOCK_C=t.block_c, ROWS=ROWS, RECTIFY=rectify)
    return out
