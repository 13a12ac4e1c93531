"""Instance-layer normalisation (ILN) and its adaptive form (AdaILN), as one affine map per channel.

Source: Kim et al., ICLR 2020 (arXiv 1907.10830), in the form NICE-GAN uses, a softmax over two logits a channel:

    out = gamma * (p_in * (x - m_in) / sqrt(v_in + eps) + p_ln * (x - m_ln) / sqrt(v_ln + eps)) + beta

Everything but x is one number per image and channel, so out = scale * x + shift; and the layer's statistics follow from
the instances' by the law of total variance. One read gives the statistics, one read and write the output.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nicegan.nn import kernels, statistics
from nicegan.nn.conv import Recompute, with_recompute
from nicegan.nn.statistics import Moments, PerChannel, at_least_float32

EPSILON = 1e-5
INSTANCE_FIRST = (3.2, 1.0)  # initial logits (instance, layer) of AdaILN
LAYER_FIRST = (1.0, 3.2)  # and of ILN


class Affine(NamedTuple):
    """out = scale * x + shift"""

    scale: PerChannel
    shift: PerChannel


def layer_moments(moments: Moments, num_pixels: int) -> Moments:
    """Return mean and unbiased variance of each image, (n, 1), from those of its channels of so many pixels."""
    mean, variance = moments
    layer_mean = mean.mean(dim=1, keepdim=True)
    within = (num_pixels - 1) * variance.sum(dim=1, keepdim=True)
    between = num_pixels * (mean - layer_mean).square().sum(dim=1, keepdim=True)
    return Moments(layer_mean, (within + between) / (mean.shape[1] * num_pixels - 1))


def mixed_affine(  # noqa: PLR0913
    moments: Moments,
    gamma: PerChannel,
    beta: PerChannel,
    mix: Float[Tensor, "c 2"],
    num_pixels: int,
    *,
    epsilon: float = EPSILON,
) -> Affine:
    """Return the normalisation as one affine map per image and channel; `mix` holds the logits (instance, layer)."""
    mean, variance = moments
    layer_mean, layer_variance = layer_moments(moments, num_pixels)
    p_instance, p_layer = mix.softmax(dim=1).unbind(dim=1)
    instance = p_instance * (variance + epsilon).rsqrt()
    layer = p_layer * (layer_variance + epsilon).rsqrt()
    return Affine(
        scale=gamma * (instance + layer),
        shift=beta - gamma * (instance * mean + layer * layer_mean),
    )


def apply_affine(x: Float[Tensor, "n c h w"], affine: Affine, *, rectify: bool) -> Float[Tensor, "n c h w"]:
    """scale * x + shift, then ReLU if `rectify`; computed in float32 or better, returned as x came."""
    scale, shift = (number[..., None, None] for number in affine)
    out = torch.addcmul(shift, at_least_float32(x), scale)
    return (out.relu_() if rectify else out).to(x.dtype)


class _Normalise(torch.autograd.Function):
    """The mixed normalisation, saving nothing but x: the backward pass recomputes what it needs from the affine map."""

    @staticmethod
    def forward(  # noqa: PLR0913
        ctx: Any,
        x: Tensor,
        gamma: Tensor,
        beta: Tensor,
        mix: Tensor,
        moments: Moments,
        affine: Affine,
        rectify: bool,  # noqa: FBT001
        epsilon: float,
    ) -> Tensor:
        ctx.save_for_backward(x, gamma, beta, mix, *moments)
        ctx.rectify, ctx.epsilon = rectify, epsilon
        return apply_affine(x, affine, rectify=rectify)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        kept, *saved = ctx.saved_tensors
        x, grad_out = at_least_float32(kept), at_least_float32(grad_outputs[0])
        num_pixels = x[0, 0].numel()
        gamma, beta, mix, mean, variance = inputs = [tensor.detach().requires_grad_() for tensor in saved]
        with torch.enable_grad():
            affine = mixed_affine(Moments(mean, variance), gamma, beta, mix, num_pixels, epsilon=ctx.epsilon)
        if ctx.rectify:
            out = apply_affine(x, Affine(*affine), rectify=False)
            grad_out = torch.ops.aten.threshold_backward(grad_out, out, 0)
        of_affine = (grad_out * x).sum(dim=(2, 3)), grad_out.sum(dim=(2, 3))
        grad_gamma, grad_beta, grad_mix, grad_mean, grad_variance = torch.autograd.grad(affine, inputs, of_affine)
        # x moves out directly, and through its mean (slope 1/p) and variance (slope 2 (x - mean) / (p - 1)).
        slope = 2 / max(num_pixels - 1, 1) * grad_variance
        offset = grad_mean / num_pixels - slope * mean
        direct, slope, offset = (number[..., None, None] for number in (affine.scale, slope, offset))
        grad_x = torch.addcmul(offset, x, slope).addcmul_(grad_out, direct).to(kept.dtype)
        return grad_x, grad_gamma, grad_beta, grad_mix, None, None, None, None


class _NormaliseOnGPU(torch.autograd.Function):
    """The mixed normalisation by the Triton kernels; beside the map it returns its affine map, without a gradient."""

    @staticmethod
    def forward(  # noqa: PLR0913
        ctx: Any,
        x: Tensor,
        gamma: Tensor,
        beta: Tensor,
        mix: Tensor,
        rectify: bool,  # noqa: FBT001
        epsilon: float,
    ) -> tuple[Tensor, Tensor]:
        from nicegan.nn.kernels.norm import normalise

        ctx.options = {"rectify": rectify, "epsilon": epsilon}
        out, affine = normalise(x, gamma, beta, mix, **ctx.options)
        ctx.save_for_backward(x, gamma, mix, affine)
        ctx.mark_non_differentiable(affine)
        return out, affine

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        from nicegan.nn.kernels.norm_gradient import normalise_gradients

        x, gamma, mix, affine = ctx.saved_tensors
        return *normalise_gradients(x, grad_outputs[0], affine, gamma, mix, **ctx.options), None, None


def normalise_on_gpu(  # noqa: PLR0913
    x: Tensor, gamma: PerChannel, beta: PerChannel, mix: Tensor, *, rectify: bool, epsilon: float = EPSILON
) -> Tensor:
    """Compute `normalise` by the kernels."""
    from nicegan.nn.kernels.norm import apply_affine
    from nicegan.nn.kernels.pad import reflect_pad

    out, affine = _NormaliseOnGPU.apply(x, gamma, beta, mix, rectify, epsilon)
    if not torch.is_grad_enabled():
        return out
    again = Recompute(
        lambda kept, scale, shift: apply_affine(kept, scale, shift, rectify=rectify),
        (x.detach(), *affine[2:]),
        lambda padding, kept, *scale_shift: reflect_pad(kept, padding, scale_shift, rectify=rectify),
    )
    return with_recompute(out, again)


def normalise(  # noqa: PLR0913
    x: Float[Tensor, "n c h w"],
    gamma: PerChannel,
    beta: PerChannel,
    mix: Float[Tensor, "c 2"],
    *,
    rectify: bool = False,
    epsilon: float = EPSILON,
) -> Float[Tensor, "n c h w"]:
    """Mixed normalisation of x with given gamma and beta, then ReLU if `rectify`."""
    if kernels.usable(x) and statistics.of_whole_maps():
        return normalise_on_gpu(x, gamma, beta, mix, rectify=rectify, epsilon=epsilon)
    with torch.no_grad():
        moments = statistics.moments(x)
        affine = mixed_affine(moments, gamma, beta, mix, statistics.num_pixels(x), epsilon=epsilon)
    if not torch.is_grad_enabled():
        return apply_affine(x, affine, rectify=rectify)
    out = _Normalise.apply(x, gamma, beta, mix, moments, affine, rectify, epsilon)
    again = Recompute(
        lambda kept, *numbers: apply_affine(kept, Affine(*numbers), rectify=rectify), (x.detach(), *affine)
    )
    return with_recompute(out, again)  # pyright: ignore[reportArgumentType]


class AdaILN(nn.Module):
    """Normalisation whose gamma and beta are made from the image: `forward(x, gamma, beta)`."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.tensor(INSTANCE_FIRST).repeat(num_channels, 1))

    def forward(
        self, x: Float[Tensor, "n c h w"], gamma: PerChannel, beta: PerChannel, *, rectify: bool = False
    ) -> Float[Tensor, "n c h w"]:
        return normalise(x, gamma, beta, self.mix, rectify=rectify)


class ILN(nn.Module):
    """Normalisation with a learned gamma and beta per channel, followed by ReLU as everywhere in the generator."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.tensor(LAYER_FIRST).repeat(num_channels, 1))
        self.gamma = nn.Parameter(torch.ones(num_channels))
        self.beta = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        shape = (x.shape[0], x.shape[1])
        return normalise(x, self.gamma.expand(shape), self.beta.expand(shape), self.mix, rectify=True)
