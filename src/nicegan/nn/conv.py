"""Convolutions padded by reflection, which keep little for the backward pass.

A convolution needs its padded input again for the gradient of its weight. Instead of that input, `convolve` keeps what
it was made of: the input before the padding, or, behind a normalisation, what that keeps anyway (a `Recompute`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nicegan.nn import kernels, row_conv, winograd

Layer = TypeVar("Layer", nn.Conv2d, nn.ConvTranspose2d, "ReflectConv2d")
ALIGNMENT = 4  # channels that a GPU's float32 convolutions take together
_second_order: ContextVar[bool] = ContextVar("second_order", default=False)


class Recompute(NamedTuple):
    """How to make a tensor again: make(*inputs); padded by reflection: make_padded(padding, *inputs), if that is one
    launch."""

    make: Callable[..., Tensor]
    inputs: tuple[Tensor, ...]
    make_padded: Callable[..., Tensor] | None = None

    def padded(self, padding: int, inputs: list[Tensor], dtype: torch.dtype) -> Tensor:
        """Return the tensor, made from `inputs` and padded, in the precision `dtype`."""
        if padding and self.make_padded:
            return self.make_padded(padding, *inputs).to(dtype)
        return reflect_pad(self.make(*inputs).to(dtype), padding)


def with_recompute(tensor: Tensor, recompute: Recompute) -> Tensor:
    """Return the tensor, carrying its `Recompute` to the convolution that follows."""
    tensor.recompute = recompute, tensor._version  # pyright: ignore[reportAttributeAccessIssue]
    return tensor


def recompute_of(tensor: Tensor) -> Recompute:
    """Return the tensor's `Recompute`; the tensor itself where it has none, or was changed in place since."""
    recompute, version = getattr(tensor, "recompute", (None, 0))
    return recompute if recompute and version == tensor._version else Recompute(lambda kept: kept, (tensor,))


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Return a context in which autocast is off for tensors like x; those on "meta" know no autocast."""
    is_off = x.is_meta or not torch.is_autocast_enabled(x.device.type)
    return nullcontext() if is_off else torch.autocast(x.device.type, enabled=False)


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Within, convolutions and paddings are PyTorch's own operations: their gradients have gradients, and all inputs of
    the backward pass are kept."""
    token = _second_order.set(True)  # noqa: FBT003
    try:
        yield
    finally:
        _second_order.reset(token)


def reflect_pad(x: Float[Tensor, "n c h w"], padding: int) -> Float[Tensor, "n c h_padded w_padded"]:
    """Pad every side by reflection, in the precision of x (autocast would make it float32)."""
    if padding == 0:
        return x
    if kernels.usable(x) and not _second_order.get():
        return _PadOnGPU.apply(x, padding)  # pyright: ignore[reportReturnType]
    if torch.are_deterministic_algorithms_enabled():  # the gradient of a GPU's own padding is not repeatable
        return _mirrored(_mirrored(x, padding, dim=2), padding, dim=3)
    with without_autocast(x):
        return F.pad(x, (padding,) * 4, mode="reflect")


def _mirrored(x: Tensor, padding: int, dim: int) -> Tensor:
    before, after = x.narrow(dim, 1, padding), x.narrow(dim, x.shape[dim] - 1 - padding, padding)
    return torch.cat([before.flip(dim), x, after.flip(dim)], dim=dim)


class _PadOnGPU(torch.autograd.Function):
    """Padding by the kernels, which keep channels last and add up in a fixed order."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, padding: int) -> Tensor:
        from nicegan.nn.kernels.pad import reflect_pad as pad

        ctx.padding = padding
        return pad(x, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        from nicegan.nn.kernels.pad import unpad_gradient as unpad

        return unpad(grad_outputs[0], ctx.padding), None


class _Convolve(torch.autograd.Function):
    """Padding and convolution in one; nothing is kept that follows from what is."""

    @staticmethod
    def forward(  # noqa: PLR0913
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, ...],
        padding: int,
        recompute: Recompute,
        low: Tensor | None,
    ) -> Tensor:
        device = x.device.type
        is_cast = device != "meta" and torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if is_cast else x.dtype
        ctx.weight_as = {"dtype": weight.dtype, "memory_format": torch.preserve_format}
        if x.is_cuda:  # the layout that the convolution would copy it to, in one go with the cast
            is_channels_last = weight.is_contiguous(memory_format=torch.channels_last)
            ctx.weight_as["memory_format"] = torch.channels_last if is_channels_last else torch.contiguous_format
            weight = low if low is not None else weight.to(dtype, memory_format=torch.channels_last)
        else:
            weight = weight.to(dtype) if low is None else low
        ctx.save_for_backward(weight, *(recompute.inputs if ctx.needs_input_grad[1] else ()))
        ctx.recompute, ctx.shape, ctx.dtypes = recompute._replace(inputs=()), x.shape, (x.dtype, dtype)
        ctx.stride, ctx.padding = stride, padding
        return _convolve_in_training(reflect_pad(x.to(dtype), padding), weight, _as(bias, dtype), stride)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        weight, *inputs = ctx.saved_tensors
        stored, dtype = ctx.dtypes
        padding = ctx.padding
        if inputs:
            padded = ctx.recompute.padded(padding, inputs, dtype)
        else:  # without a gradient of the weight, only the shape matters
            padded = _blank(ctx.shape, 2 * padding, grad_outputs[0])
        grad_x, grad_weight, grad_bias = _convolution_gradients(
            grad_outputs[0], padded, weight, ctx.stride, list(ctx.needs_input_grad[:3])
        )
        if padding and grad_x is not None:
            grad_x = unpad_gradient(grad_x, ctx.shape, padding)
        grad_weight = None if grad_weight is None else grad_weight.to(**ctx.weight_as)
        return _as(grad_x, stored), grad_weight, _as(grad_bias, ctx.weight_as["dtype"]), None, None, None, None


def _convolve_in_training(padded: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, ...]) -> Tensor:
    """Return the convolution of a padded input, by Winograd where that is better."""
    if winograd.is_better(padded, weight, stride):
        return winograd.convolve(padded, weight, bias)
    return convolve_padded(padded, weight, bias, stride)


def convolve_padded(padded: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, ...]) -> Tensor:
    """Return the convolution of an input that is padded already."""
    if row_conv.is_better(weight, stride):
        out = row_conv.convolve(padded, weight)
        return out if bias is None else out + bias[:, None, None]
    if padded.is_cuda and bias is not None and tuple(weight.shape[2:]) == (1, 1) and set(stride) == {1}:
        return F.linear(padded.permute(0, 2, 3, 1), weight[:, :, 0, 0], bias).permute(0, 3, 1, 2)  # bias in one launch
    return F.conv2d(padded, weight, bias, stride)


def _convolution_gradients(
    grad: Tensor, padded: Tensor, weight: Tensor, stride: tuple[int, ...], wanted: list[bool]
) -> list[Tensor | None]:
    """Gradients of input, weight and bias of a convolution without padding."""
    by_rows, by_winograd = row_conv.is_better(weight, stride), winograd.is_better(padded, weight, stride)
    if wanted[2] and (by_rows or by_winograd or kernels.usable(grad)):
        grad_x, grad_weight, _ = _convolution_gradients(grad, padded, weight, stride, [*wanted[:2], False])
        return [grad_x, grad_weight, channel_sums(grad)]
    if by_winograd:
        return [*winograd.gradients(grad, padded, weight, wanted), None]
    if by_rows:
        return [*row_conv.gradients(grad, padded, weight, wanted), None]
    num_channels = weight.shape[0]
    lacking = -num_channels % ALIGNMENT if grad.is_cuda and grad.dtype == torch.float32 else 0
    if lacking:  # few channels that are no multiple of four take a GPU 80 times as long (docs/LOG.md)
        grad, weight = F.pad(grad, (0, 0, 0, 0, 0, lacking)), F.pad(weight, (0, 0, 0, 0, 0, 0, 0, lacking))
    grad_x, *of_parameters = torch.ops.aten.convolution_backward(
        grad, padded, weight, [weight.shape[0]], stride, [0, 0], [1, 1], False, [0, 0], 1, wanted,  # noqa: FBT003
    )  # fmt: skip
    if lacking:
        of_parameters = [None if gradient is None else gradient[:num_channels] for gradient in of_parameters]
    return [grad_x, *of_parameters]


def unpad_gradient(gradient: Tensor, shape: torch.Size, padding: int) -> Tensor:
    """From the gradient of `reflect_pad`'s result to that of its input, which has this shape."""
    if kernels.usable(gradient):
        from nicegan.nn.kernels.pad import unpad_gradient as unpad

        return unpad(gradient, padding)
    if not torch.are_deterministic_algorithms_enabled():
        return torch.ops.aten.reflection_pad2d_backward(gradient, _blank(shape, 0, gradient), [padding] * 4)
    for dim in (2, 3):  # a GPU's own kernel adds up in any order: here, each border folds back onto what it mirrors
        side = shape[dim]
        before, inner, after = gradient.split([padding, side, padding], dim=dim)
        gradient = inner.clone()
        gradient.narrow(dim, 1, padding).add_(before.flip(dim))
        gradient.narrow(dim, side - 1 - padding, padding).add_(after.flip(dim))
    return gradient


def channel_sums(x: Tensor) -> Float[Tensor, " c"]:
    """Return each channel's sum over images and pixels, on a GPU by the kernel."""
    if not kernels.usable(x):
        return x.sum(dim=(0, 2, 3))
    from nicegan.nn.kernels.sums import channel_sums as on_gpu

    return on_gpu(x)


def _blank(shape: torch.Size, margin: int, like: Tensor) -> Tensor:
    """Return a tensor of this shape, higher and wider by `margin`, that will not be read."""
    sizes = (*shape[:2], shape[2] + margin, shape[3] + margin)
    return torch.empty(sizes, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def _as(tensor: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    return None if tensor is None else tensor.to(dtype)


def convolve(  # noqa: PLR0913
    x: Float[Tensor, "n c h w"],
    weight: Float[Tensor, "c_out c k k"],
    bias: Float[Tensor, " c_out"] | None,
    *,
    stride: tuple[int, ...] = (1, 1),
    padding: int,
    low: Float[Tensor, "c_out c k k"] | None = None,
) -> Float[Tensor, "n c_out h_out w_out"]:
    """Return the convolution of x, padded by reflection on every side.

    Args:
        x: the images or features.
        weight: what the gradient is for.
        bias: one number per output channel.
        stride: vertical and horizontal.
        padding: pixels on each side.
        low: the weight in the precision of autocast, where it is at hand; else it is made here.
    """
    if torch.is_grad_enabled() and not _second_order.get():
        return _Convolve.apply(x, weight, bias, stride, padding, recompute_of(x), low)  # pyright: ignore[reportReturnType]
    compute = convolve_padded if _second_order.get() else _convolve_in_training
    return compute(reflect_pad(x, padding), weight if low is None else low, bias, stride)


def channels_last(layer: Layer) -> Layer:
    """Return the convolution with its weight in channels-last order, as its input comes."""
    layer.weight = nn.Parameter(layer.weight.detach().contiguous(memory_format=torch.channels_last))
    return layer


class ReflectConv2d(nn.Conv2d):
    """A convolution padded by reflection; with stride 1 its output has the size of its input, unless `padding` says
    how many pixels to add on each side."""

    def __init__(  # noqa: PLR0913
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        bias: bool,
        stride: int = 1,
        padding: int | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, bias=bias)
        self.reach = (kernel_size - 1) // 2 if padding is None else padding
        self.low: Tensor | None = None  # set by `cast_once`
        channels_last(self)

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c_out h_out w_out"]:
        stride = (self.stride[0], self.stride[1])
        return convolve(input, self.weight, self.bias, stride=stride, padding=self.reach, low=self.low)


@contextmanager
def cast_once(modules: Iterable[nn.Module], dtype: torch.dtype) -> Iterator[None]:
    """Within, every ReflectConv2d inside `modules` computes with one copy of its weight in `dtype`, made together at
    the start: autocast makes one at each use, and the backward pass makes another."""
    layers = [layer for module in modules for layer in module.modules() if isinstance(layer, ReflectConv2d)]
    with torch.no_grad():
        copies = [torch.empty_like(layer.weight, dtype=dtype) for layer in layers]
        torch._foreach_copy_(copies, [layer.weight for layer in layers])  # pyright: ignore[reportPrivateImportUsage]
    for layer, copy in zip(layers, copies, strict=True):
        layer.low = copy
    try:
        yield
    finally:
        for layer in layers:
            layer.low = None
