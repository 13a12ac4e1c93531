"""Spectral normalisation (Miyato et al., ICLR 2018) that divides a layer's weight or its output, whichever is smaller.

A layer is linear in its weight, so (W / sigma) x = (W x) / sigma. Early layers have small weights and large outputs,
the last ones the reverse: 33 M weights make 2048 maps of 2x2 pixels. sigma = u . W v with u and v held constant is
differentiable in W, which gives the rank-one term of the gradient. The power iteration that moves u and v is made once
per update of the weights, by `iterate`, not at every forward pass.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nicegan.nn.conv import convolve, reflect_pad, without_autocast

WEIGHTS_PER_POSITION = 1 << 16  # from here on, reading the weight takes longer than the arithmetic (docs/LOG.md)
WEIGHTS_PER_POSITION_ON_CPU = 1 << 13  # and in float32, bringing it into the layout of a convolution
EPSILON = 1e-12  # of a length that is divided by
NUM_INITIAL_ITERATIONS = 5  # from a random start; training then makes one per update


class SpectralNorm(nn.Module):
    """The largest singular value of a weight, seen as a matrix of one row per output."""

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = weight.detach().flatten(1)
        self.register_buffer("u", torch.randn(matrix.shape[0]))
        self.register_buffer("v", torch.randn(matrix.shape[1]))
        for _ in range(0 if weight.is_meta else NUM_INITIAL_ITERATIONS):
            _iterate([self], [matrix])

    def forward(self, weight: Tensor) -> Float[Tensor, ""]:
        """sigma = u . W v, in the weight's own precision whatever autocast says"""
        with without_autocast(weight):
            # The vectors are copied: `iterate` may move them before the graph that holds them is used.
            return torch.dot(self.u.clone(), weight.flatten(1) @ self.v.clone())


class SpectralConv2d(nn.Conv2d):
    """A 4x4 convolution padded by one reflected pixel, its weight divided by its spectral norm."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, kernel_size=4, stride=stride, bias=bias)
        self.norm = SpectralNorm(self.weight)

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c_out h_out w_out"]:
        height, width = ((side - 2) // self.stride[0] + 1 for side in input.shape[2:])
        num_positions = input.shape[0] * height * width
        is_float32_on_cpu = input.device.type == "cpu" and input.dtype == torch.float32
        limit = min(WEIGHTS_PER_POSITION, WEIGHTS_PER_POSITION_ON_CPU) if is_float32_on_cpu else WEIGHTS_PER_POSITION
        if self.weight.numel() > limit * num_positions:
            return self._multiply(reflect_pad(input, 1), (height, width))
        sigma = self.norm(self.weight)
        if self.weight.numel() <= num_positions * self.out_channels:
            return convolve(input, self.weight / sigma, self.bias, stride=self.stride, padding=1)
        out = convolve(input, self.weight, None, stride=self.stride, padding=1)
        return self._scaled(out, sigma.to(out.dtype), (-1, 1, 1))

    def _multiply(self, padded: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the convolution as one product of matrices. v is one more row of it: W v, and the rank-one term of the
        gradient, take no further pass over the weight. Nor does a cast: it takes longer than the product saves."""
        patches = F.unfold(padded, 4, stride=self.stride).transpose(1, 2)  # (n, positions, c * 16)
        with without_autocast(padded):
            rows = torch.cat([patches.flatten(0, 1).to(self.weight.dtype), self.norm.v[None]])
            products = F.linear(rows, self.weight.flatten(1))
            sigma = torch.dot(self.norm.u.clone(), products[-1])
            out = self._scaled(products[:-1], sigma, (-1,)).to(padded.dtype)
        return out.unflatten(0, (-1, *size)).permute(0, 3, 1, 2)

    def _scaled(self, out: Tensor, sigma: Tensor, per_channel: tuple[int, ...]) -> Tensor:
        if self.bias is None:
            return out / sigma
        return torch.addcmul(self.bias.to(out.dtype).view(per_channel), out, sigma.reciprocal())


class SpectralLinear(nn.Linear):
    """A linear layer without bias, its weight divided by its spectral norm."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, bias=False)
        self.norm = SpectralNorm(self.weight)

    def forward(self, input: Float[Tensor, "n f"]) -> Float[Tensor, "n f_out"]:
        return super().forward(input) / self.norm(self.weight)


@torch.no_grad()
def iterate(module: nn.Module) -> None:
    """Make one power iteration for every spectrally normalised layer inside `module`."""
    layers = [layer for layer in module.modules() if isinstance(layer, SpectralConv2d | SpectralLinear)]
    if layers:
        _iterate([layer.norm for layer in layers], [layer.weight.flatten(1) for layer in layers])


def _iterate(norms: list[SpectralNorm], matrices: list[Tensor]) -> None:
    """v <- W'u / |W'u|, u <- W v / |W v|, all layers together: on a GPU, many small launches become a few."""
    us, vs = [norm.u for norm in norms], [norm.v for norm in norms]
    for vectors, products in (
        (vs, zip([matrix.t() for matrix in matrices], us, strict=True)),
        (us, zip(matrices, vs, strict=True)),
    ):
        for vector, product in zip(vectors, products, strict=True):
            torch.mv(*product, out=vector)
        lengths = torch._foreach_norm(vectors)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_clamp_min_(lengths, EPSILON)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_div_(vectors, lengths)  # pyright: ignore[reportPrivateImportUsage]
