"""Instance normalisation without learned parameters, which saves nothing but its input and keeps channels last.

Source: Ulyanov et al., 2016: out = (x - m) / sqrt(v + eps), with mean m and biased variance v over the pixels of each
channel of each image, in training and evaluation alike. PyTorch's own layer copies maps to channels-first order.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nicegan.nn import kernels, statistics
from nicegan.nn.conv import Recompute, with_recompute
from nicegan.nn.norm import EPSILON, Affine, apply_affine, normalise
from nicegan.nn.statistics import PerChannel, at_least_float32

SURE = 50.0  # a logit whose softmax against its opposite is exactly 1 in float32


class _Normalise(torch.autograd.Function):
    """The normalisation and its ReLU; the backward pass computes the normalised map again from the affine map."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, affine: Affine, rectify: bool) -> Tensor:  # noqa: FBT001
        ctx.save_for_backward(x, *affine)
        ctx.rectify = rectify
        return apply_affine(x, affine, rectify=rectify)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        kept, scale, shift = ctx.saved_tensors
        x, grad = at_least_float32(kept), at_least_float32(grad_outputs[0])
        if ctx.rectify:
            normalised = apply_affine(x, Affine(scale, shift), rectify=False)
            grad = torch.ops.aten.threshold_backward(grad, normalised, 0)
        # d x = scale (g - mean g - y mean(g y)), with y = scale x + shift: scale g + slope x + offset
        of_mean = grad.mean(dim=(2, 3))
        of_scale = torch.addcmul(shift * of_mean, scale, (grad * x).mean(dim=(2, 3)))
        slope, offset = -scale.square() * of_scale, -scale * torch.addcmul(of_mean, shift, of_scale)
        scale, slope, offset = (number[..., None, None] for number in (scale, slope, offset))
        return torch.addcmul(offset, x, slope).addcmul_(grad, scale).to(kept.dtype), None, None


def adaptive_instance_norm(
    x: Float[Tensor, "n c h w"], scale: PerChannel, shift: PerChannel, *, rectify: bool
) -> Float[Tensor, "n c h w"]:
    """Return scale * (x - m) / sqrt(v + eps) + shift, then ReLU if `rectify`.

    It is the mixed normalisation with no share of the layer. The unbiased variance there is v' = v P / (P - 1) for P
    pixels, so 1 / sqrt(v + eps) = sqrt(P / (P - 1)) / sqrt(v' + eps'), with eps' = eps P / (P - 1).
    """
    num_pixels = statistics.num_pixels(x)
    unbiased = num_pixels / (num_pixels - 1)
    mix = scale.new_full((x.shape[1], 2), SURE)
    mix[:, 1] = -SURE
    gamma = scale * math.sqrt(unbiased)
    return normalise(x, gamma, shift, mix, rectify=rectify, epsilon=EPSILON * unbiased)


class InstanceNorm(nn.Module):
    """Normalise each channel of each image, then ReLU if `rectify`."""

    def __init__(self, *, rectify: bool = False) -> None:
        super().__init__()
        self.rectify = rectify

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        num_pixels = statistics.num_pixels(x)
        if kernels.usable(x) and statistics.of_whole_maps() and num_pixels > 1:
            n, c = x.shape[:2]
            scale, shift = (x.new_full((c,), value, dtype=torch.float32).expand(n, c) for value in (1, 0))
            return adaptive_instance_norm(x, scale, shift, rectify=self.rectify)
        with torch.no_grad():
            mean, variance = statistics.moments(x)
            scale = (variance * ((num_pixels - 1) / num_pixels) + EPSILON).rsqrt()
            affine = Affine(scale, -mean * scale)
        if not torch.is_grad_enabled():
            return apply_affine(x, affine, rectify=self.rectify)
        out = _Normalise.apply(x, affine, self.rectify)
        rectify = self.rectify
        again = Recompute(
            lambda kept, *numbers: apply_affine(kept, Affine(*numbers), rectify=rectify), (x.detach(), *affine)
        )
        return with_recompute(out, again)  # pyright: ignore[reportArgumentType]
