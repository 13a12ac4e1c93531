"""Convolutions padded by reflection, which keep little for the backward pass.

A convolution needs its padded input again for the gradient of its weight. Instead of that input, `convolve` keeps what
it was made of: the input before the padding, or, behind a normalisation, what that keeps anyway (a `Recipe`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class Recipe(NamedTuple):
    """How to make a tensor again: make(*inputs)."""

    make: Callable[..., Tensor]
    inputs: tuple[Tensor, ...]


def with_recipe(tensor: Tensor, recipe: Recipe) -> Tensor:
    """The tensor, carrying its recipe to the convolution that follows."""
    tensor.recipe = recipe, tensor._version  # pyright: ignore[reportAttributeAccessIssue]
    return tensor


def recipe_of(tensor: Tensor) -> Recipe:
    """The tensor's recipe; the tensor itself where it has none, or was changed in place since."""
    recipe, version = getattr(tensor, "recipe", (None, 0))
    return recipe if recipe and version == tensor._version else Recipe(lambda kept: kept, (tensor,))


def reflect_pad(x: Float[Tensor, "n c h w"], padding: int) -> Float[Tensor, "n c h_padded w_padded"]:
    """Pad every side by reflection, in the precision of x (autocast would make it float32)."""
    if padding == 0:
        return x
    if torch.are_deterministic_algorithms_enabled():  # the gradient of a GPU's own padding is not repeatable
        return _mirrored(_mirrored(x, padding, dim=2), padding, dim=3)
    with torch.autocast(x.device.type, enabled=False):
        return F.pad(x, (padding,) * 4, mode="reflect")


def _mirrored(x: Tensor, padding: int, dim: int) -> Tensor:
    before, after = x.narrow(dim, 1, padding), x.narrow(dim, x.shape[dim] - 1 - padding, padding)
    return torch.cat([before.flip(dim), x, after.flip(dim)], dim=dim)


class _Convolve(torch.autograd.Function):
    """Padding and convolution in one; nothing is kept that follows from what is."""

    @staticmethod
    def forward(  # noqa: PLR0913
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, ...], padding: int, recipe: Recipe
    ) -> Tensor:
        device = x.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        ctx.save_for_backward(weight, *(recipe.inputs if ctx.needs_input_grad[1] else ()))
        ctx.make, ctx.shape, ctx.dtypes = recipe.make, x.shape, (x.dtype, dtype)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(reflect_pad(x.to(dtype), padding), weight.to(dtype), _as(bias, dtype), stride)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        weight, *inputs = ctx.saved_tensors
        stored, dtype = ctx.dtypes
        padding = ctx.padding
        if inputs:
            padded = reflect_pad(ctx.make(*inputs).to(dtype), padding)
        else:  # without a gradient of the weight, only the shape matters
            padded = _blank(ctx.shape, 2 * padding, grad_outputs[0])
        wanted = list(ctx.needs_input_grad[:3])
        grad_x, grad_weight, grad_bias = torch.ops.aten.convolution_backward(
            grad_outputs[0], padded, weight.to(dtype), [weight.shape[0]],
            ctx.stride, [0, 0], [1, 1], False, [0, 0], 1, wanted,  # noqa: FBT003
        )  # fmt: skip
        if padding and grad_x is not None:
            grad_x = unpad_gradient(grad_x, ctx.shape, padding)
        grads = _as(grad_x, stored), _as(grad_weight, weight.dtype), _as(grad_bias, weight.dtype)
        return *grads, None, None, None


def unpad_gradient(gradient: Tensor, shape: torch.Size, padding: int) -> Tensor:
    """From the gradient of `reflect_pad`'s result to that of its input, which has this shape."""
    if not torch.are_deterministic_algorithms_enabled():
        return torch.ops.aten.reflection_pad2d_backward(gradient, _blank(shape, 0, gradient), [padding] * 4)
    for dim in (2, 3):  # a GPU's own kernel adds up in any order: here, each border folds back onto what it mirrors
        side = shape[dim]
        before, inner, after = gradient.split([padding, side, padding], dim=dim)
        gradient = inner.clone()
        gradient.narrow(dim, 1, padding).add_(before.flip(dim))
        gradient.narrow(dim, side - 1 - padding, padding).add_(after.flip(dim))
    return gradient


def _blank(shape: torch.Size, margin: int, like: Tensor) -> Tensor:
    """A tensor of this shape, higher and wider by `margin`, that will not be read."""
    sizes = (*shape[:2], shape[2] + margin, shape[3] + margin)
    return torch.empty(sizes, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def _as(tensor: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    return None if tensor is None else tensor.to(dtype)


def convolve(
    x: Float[Tensor, "n c h w"],
    weight: Float[Tensor, "c_out c k k"],
    bias: Float[Tensor, " c_out"] | None,
    *,
    stride: tuple[int, ...] = (1, 1),
    padding: int,
) -> Float[Tensor, "n c_out h_out w_out"]:
    """The convolution of x, padded by reflection on every side."""
    if not torch.is_grad_enabled():
        return F.conv2d(reflect_pad(x, padding), weight, bias, stride)
    return _Convolve.apply(x, weight, bias, stride, padding, recipe_of(x))  # pyright: ignore[reportReturnType]


class ReflectConv2d(nn.Conv2d):
    """A convolution of stride 1 whose output has the size of its input, padded by reflection."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, bias: bool) -> None:
        super().__init__(in_channels, out_channels, kernel_size, bias=bias)
        self.reach = kernel_size // 2
        # Channels last, as the features come from the encoder.
        self.weight = nn.Parameter(self.weight.detach().contiguous(memory_format=torch.channels_last))

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c_out h w"]:
        return convolve(input, self.weight, self.bias, padding=self.reach)
