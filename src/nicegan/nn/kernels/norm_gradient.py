"""The gradient of `nicegan.nn.kernels.norm` in three launches, with the same symbols and the same blocks.

With S = sum of g (x - m), T = sum of g, S' = S + (m - M) T (the same about the layer's mean), over a channel's pixels:

    d gamma = p r S + q R S'      d beta = T
    d p = gamma (r S - R S') on the first logit times p q, minus that on the second
    d v = -1/2 r^3 p gamma S      d V = -1/2 R^3 sum of q gamma S'      d M = -sum of q R gamma T / C to each m
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from nicegan.nn.kernels.norm import EPSILON, ROWS, tiling_of


@triton.jit
def _partial_gradients(
    x_ptr, grad_ptr, affine_ptr, with_x_ptr, sum_ptr, images, pixels, rows,
    C: tl.constexpr, BLOCK_C: tl.constexpr, ROWS: tl.constexpr, RECTIFY: tl.constexpr,
):  # fmt: skip
    """Sums over one block of pixels of g (x - m) and of g; g is the gradient behind the ReLU, if there is one."""
    split, image, num_splits = tl.program_id(0), tl.program_id(1), tl.num_programs(0)
    channel = tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)
    known = channel < C
    here, rest = affine_ptr + image * C + channel, images * C
    mean = tl.load(here, mask=known)[None, :]
    scale = tl.load(here + 2 * rest, mask=known)[None, :]
    shift = tl.load(here + 3 * rest, mask=known)[None, :]
    with_x, plain = tl.zeros((BLOCK_C,), tl.float32), tl.zeros((BLOCK_C,), tl.float32)
    for start in range(0, rows, ROWS):
        pixel = split * rows + start + tl.arange(0, ROWS)
        inside = (pixel < pixels)[:, None] & known[None, :]
        address = (image.to(tl.int64) * pixels + pixel)[:, None] * C + channel[None, :]
        x = tl.load(x_ptr + address, mask=inside, other=0.0).to(tl.float32)
        grad = tl.load(grad_ptr + address, mask=inside, other=0.0).to(tl.float32)
        if RECTIFY:
            grad = tl.where(x * scale + shift > 0, grad, 0.0)
        with_x += tl.sum(grad * (x - mean), axis=0)
        plain += tl.sum(grad, axis=0)
    target = (image * num_splits + split) * C + channel
    tl.store(with_x_ptr + target, with_x, mask=known)
    tl.store(sum_ptr + target, plain, mask=known)


@triton.jit
def _affine_gradients(
    with_x_parts, sum_parts, affine_ptr, gamma_ptr, mix_ptr, out_ptr, gamma_stride,
    images, pixels, splits, epsilon, C: tl.constexpr, ALL_C: tl.constexpr, ALL_SPLITS: tl.constexpr,
):  # fmt: skip
    """One image's sums -> gradients of gamma, beta, both logits; and slope and offset of x's own gradient."""
    image = tl.program_id(0)
    channel, split = tl.arange(0, ALL_C), tl.arange(0, ALL_SPLITS)
    known = channel < C
    inside = (split < splits)[:, None] & known[None, :]
    address = (image * splits + split)[:, None] * C + channel[None, :]
    about_mean = tl.sum(tl.load(with_x_parts + address, mask=inside, other=0.0), axis=0)
    grad_sum = tl.sum(tl.load(sum_parts + address, mask=inside, other=0.0), axis=0)
    here, rest = image * C + channel, images * C
    mean = tl.load(affine_ptr + here, mask=known, other=0.0)
    variance = tl.load(affine_ptr + rest + here, mask=known, other=0.0)
    gamma = tl.load(gamma_ptr + image * gamma_stride + channel, mask=known, other=0.0).to(tl.float32)
    first = tl.load(mix_ptr + 2 * channel, mask=known, other=0.0)
    second = tl.load(mix_ptr + 2 * channel + 1, mask=known, other=0.0)
    p = 1.0 / (1.0 + tl.exp(second - first))
    q = 1.0 - p
    apart = tl.where(known, mean - tl.sum(mean, axis=0) / C, 0.0)
    degrees = C * (pixels * 1.0) - 1.0
    within = (pixels - 1) * tl.sum(tl.where(known, variance, 0.0), axis=0)
    layer_variance = (within + pixels * tl.sum(apart * apart, axis=0)) / degrees
    r = 1.0 / tl.sqrt(variance + epsilon)
    layer_r = 1.0 / tl.sqrt(layer_variance + epsilon)
    about_layer = about_mean + apart * grad_sum
    share = gamma * (r * about_mean - layer_r * about_layer) * p * q
    grad_layer_variance = -0.5 * layer_r * layer_r * layer_r * tl.sum(q * gamma * about_layer, axis=0)
    grad_layer_mean = -layer_r * tl.sum(q * gamma * grad_sum, axis=0)
    grad_variance = -0.5 * r * r * r * p * gamma * about_mean + grad_layer_variance * (pixels - 1) / degrees
    grad_mean = -gamma * p * r * grad_sum + grad_layer_mean / C + 2 * pixels * grad_layer_variance * apart / degrees
    slope = 2 * grad_variance / tl.maximum(pixels - 1, 1)
    tl.store(out_ptr + here, p * r * about_mean + q * layer_r * about_layer, mask=known)
    tl.store(out_ptr + rest + here, grad_sum, mask=known)
    tl.store(out_ptr + 2 * rest + here, slope, mask=known)
    tl.store(out_ptr + 3 * rest + here, grad_mean / pixels - slope * mean, mask=known)
    tl.store(out_ptr + 4 * rest + 2 * here, share, mask=known)
    tl.store(out_ptr + 4 * rest + 2 * here + 1, -share, mask=known)


@triton.jit
def _input_gradient(
    x_ptr, grad_ptr, out_ptr, affine_ptr, back_ptr, images, pixels, rows,
    C: tl.constexpr, BLOCK_C: tl.constexpr, ROWS: tl.constexpr, RECTIFY: tl.constexpr,
):  # fmt: skip
    """x moves the output directly, and through its mean and variance: scale * g + slope * x + offset."""
    split, image = tl.program_id(0), tl.program_id(1)
    channel = tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)
    known = channel < C
    here, rest = image * C + channel, images * C
    scale = tl.load(affine_ptr + 2 * rest + here, mask=known)[None, :]
    shift = tl.load(affine_ptr + 3 * rest + here, mask=known)[None, :]
    slope = tl.load(back_ptr + 2 * rest + here, mask=known)[None, :]
    offset = tl.load(back_ptr + 3 * rest + here, mask=known)[None, :]
    for start in range(0, rows, ROWS):
        pixel = split * rows + start + tl.arange(0, ROWS)
        inside = (pixel < pixels)[:, None] & known[None, :]
        address = (image.to(tl.int64) * pixels + pixel)[:, None] * C + channel[None, :]
        x = tl.load(x_ptr + address, mask=inside).to(tl.float32)
        grad = tl.load(grad_ptr + address, mask=inside).to(tl.float32)
        if RECTIFY:
            grad = tl.where(x * scale + shift > 0, grad, 0.0)
        out = grad * scale + (x * slope + offset)
        tl.store(out_ptr + address, out.to(out_ptr.dtype.element_ty), mask=inside)


class Gradients(NamedTuple):
    """Gradients of the inputs of `normalise`; those of gamma and beta (n, c), that of the mix (c, 2), in float32."""

    x: Tensor
    gamma: Tensor
    beta: Tensor
    mix: Tensor


def normalise_gradients(  # noqa: PLR0913
    x: Tensor, gradient: Tensor, affine: Tensor, gamma: Tensor, mix: Tensor, *, rectify: bool, epsilon: float = EPSILON
) -> Gradients:
    """Return the gradients of `normalise`'s inputs from that of its output; `affine` is what it returned."""
    x = x.contiguous(memory_format=torch.channels_last)
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    n, (t, c) = x.shape[0], (tiling_of(x), x.shape[1])
    parts = x.new_empty((2, n, t.splits, c), dtype=torch.float32)
    back = x.new_empty((6, n, c), dtype=torch.float32)  # of gamma, of beta, slope, offset, and both logits' shares
    grid = (t.splits, n, triton.cdiv(c, t.block_c))
    blocks = {"C": c, "BLOCK_C": t.block_c, "ROWS": ROWS, "RECTIFY": rectify}
    _partial_gradients[grid](x, gradient, affine, parts[0], parts[1], n, t.pixels, t.rows, **blocks)
    _affine_gradients[(n,)](
        parts[0], parts[1], affine, gamma, mix, back, gamma.stride(0),
        n, t.pixels, t.splits, epsilon, C=c, ALL_C=t.all_channels, ALL_SPLITS=t.all_splits, num_warps=8,
    )  # fmt: skip
    out = torch.empty_like(x)
    _input_gradient[grid](x, gradient, out, affine, back, n, t.pixels, t.rows, **blocks)
    shares = back[4:].view(n, c, 2)
    return Gradients(out, back[0], back[1], shares[0] if n == 1 else shares.sum(dim=0))
