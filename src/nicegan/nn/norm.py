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
    num_values = moments.mean.shape[1] * num_pixels
    spread, layer_mean = torch.var_mean(moments.mean, dim=1, keepdim=True, correction=0)
    within = (num_pixels - 1) * moments.variance.sum(dim=1, keepdim=True)
    return Moments(layer_mean, torch.add(within, spread, alpha=num_values) / (num_values - 1))


class Mixture(NamedTuple):
    """The normalisation as a (x - m) + b (x - M) + beta: one part about each instance's mean, one about the layer's."""

    of_instance: PerChannel  # a = gamma p_in r
    of_layer: PerChannel  # b = gamma p_ln R
    mean: PerChannel  # m
    inverse: PerChannel  # r = 1 / sqrt(v_in + eps)
    layer_mean: Float[Tensor, "n 1"]  # M
    layer_inverse: Float[Tensor, "n 1"]  # R = 1 / sqrt(v_ln + eps)


def mixture(
    moments: Moments, gamma: PerChannel, shares: Float[Tensor, "c 2"], num_pixels: int, epsilon: float = EPSILON
) -> Mixture:
    """Return the normalisation of maps with these moments; `shares` holds (p_in, p_ln)."""
    layer_mean, layer_variance = layer_moments(moments, num_pixels)
    inverse, layer_inverse = (moments.variance + epsilon).rsqrt_(), (layer_variance + epsilon).rsqrt_()
    p_instance, p_layer = shares.unbind(dim=1)
    of_instance, of_layer = gamma * p_instance * inverse, gamma * p_layer * layer_inverse
    return Mixture(of_instance, of_layer, moments.mean, inverse, layer_mean, layer_inverse)


def mixed_affine(parts: Mixture, beta: PerChannel) -> Affine:
    """Return the normalisation as one affine map per image and channel."""
    a, b, mean, _, layer_mean, _ = parts
    return Affine(scale=a + b, shift=torch.addcmul(beta, a, mean, value=-1).addcmul_(b, layer_mean, value=-1))


def apply_affine(x: Float[Tensor, "n c h w"], affine: Affine, *, rectify: bool) -> Float[Tensor, "n c h w"]:
    """scale * x + shift, then ReLU if `rectify`; computed in float32 or better, returned as x came."""
    scale, shift = (number[..., None, None] for number in affine)
    out = torch.addcmul(shift, at_least_float32(x), scale)
    return (out.relu_() if rectify else out).to(x.dtype)


class _Normalise(torch.autograd.Function):
    """The mixed normalisation, saving nothing as large as x but x.

    With S = sum of g (x - m) and T = sum of g over a channel's P pixels, S' = S + (m - M) T the same about the mean of
    the layer, and C channels (g is the gradient behind the ReLU, if there is one):

        d gamma = p_in r S + p_ln R S'     d beta = T     d p_in = gamma r S     d p_ln = gamma R S'
        d x = (a + b) g - a T / P - s (x - m) - mean of b T / P - t (x - M)
        s = a r^2 S / (P - 1)     t = R^2 sum of b S' / (C P - 1)
    """

    @staticmethod
    def forward(  # noqa: PLR0913
        ctx: Any,
        x: Tensor,
        gamma: Tensor,
        beta: Tensor,
        shares: Tensor,
        parts: Mixture,
        affine: Affine,
        rectify: bool,  # noqa: FBT001
    ) -> Tensor:
        ctx.save_for_backward(x, gamma, shares, *affine, *parts)
        ctx.rectify = rectify
        return apply_affine(x, affine, rectify=rectify)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        kept, gamma, shares, scale, shift, a, b, mean, inverse, layer_mean, layer_inverse = ctx.saved_tensors
        x, grad = at_least_float32(kept), at_least_float32(grad_outputs[0])
        if ctx.rectify:
            out = apply_affine(x, Affine(scale, shift), rectify=False)
            grad = torch.ops.aten.threshold_backward(grad, out, 0)
        num_channels, num_pixels = x.shape[1], x[0, 0].numel()
        sums = grad.sum(dim=(2, 3))
        about_mean = torch.addcmul((grad * x).sum(dim=(2, 3)), mean, sums, value=-1)
        about_layer = torch.addcmul(about_mean, mean - layer_mean, sums)
        about_both = torch.stack([inverse * about_mean, layer_inverse * about_layer], dim=2)
        # -s, -t, and what is left of d x where g and x are 0: d x = scale g + slope x + offset
        slope = a * inverse.square() * about_mean / -max(num_pixels - 1, 1)
        layer_slope = (
            layer_inverse.square() * (b * about_layer).sum(dim=1, keepdim=True) / (1 - num_channels * num_pixels)
        )
        constant = torch.addcmul((b * sums).mean(dim=1, keepdim=True), a, sums) / num_pixels
        offset = -torch.addcmul(constant, slope, mean).addcmul_(layer_slope, layer_mean)
        scale, slope, offset = (number[..., None, None] for number in (scale, slope + layer_slope, offset))
        grad_x = torch.addcmul(offset, x, slope).addcmul_(grad, scale).to(kept.dtype)
        grad_gamma, grad_shares = (about_both * shares).sum(dim=2), (about_both * gamma[..., None]).sum(dim=0)
        return grad_x, grad_gamma, sums, grad_shares, None, None, None


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
    return normalise_by_shares(x, gamma, beta, mix.softmax(dim=1), rectify=rectify, epsilon=epsilon)


def normalise_by_shares(  # noqa: PLR0913
    x: Float[Tensor, "n c h w"],
    gamma: PerChannel,
    beta: PerChannel,
    shares: Float[Tensor, "c 2"],
    *,
    rectify: bool,
    epsilon: float = EPSILON,
) -> Float[Tensor, "n c h w"]:
    """Return the mixed normalisation of x with these shares of the instance and of the layer."""
    with torch.no_grad():
        parts = mixture(statistics.moments(x), gamma, shares, statistics.num_pixels(x), epsilon)
        affine = mixed_affine(parts, beta)
    if not torch.is_grad_enabled():
        return apply_affine(x, affine, rectify=rectify)
    out = _Normalise.apply(x, gamma, beta, shares, parts, affine, rectify)
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
