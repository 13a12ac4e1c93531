"""The convolution of a map at twice its side is what it says, without that map."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nicegan.nn.upsampled_conv import UpsampledConv2d


def as_written(layer: UpsampledConv2d, x: Tensor) -> Tensor:
    twofold = F.pad(F.interpolate(x, scale_factor=2), (2, 2, 2, 2), mode="reflect")
    return F.conv2d(twofold, layer.weight, layer.bias)


@pytest.mark.parametrize("size", [(7, 9), (2, 2), (2, 5)])
def test_output_and_gradients_are_those_of_the_twofold_map(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer = UpsampledConv2d(6, 4).double()
    x = torch.randn(2, 6, *size, dtype=torch.float64, requires_grad=True)
    inputs = (x, *layer.parameters())
    ours, theirs = layer(x), as_written(layer, x)
    torch.testing.assert_close(ours, theirs)
    outward = torch.randn_like(theirs)
    for found, expected in zip(*(torch.autograd.grad(out, inputs, outward) for out in (ours, theirs)), strict=True):
        torch.testing.assert_close(found, expected)


def test_it_keeps_the_small_map_only() -> None:
    layer, kept = UpsampledConv2d(32, 1), []
    weights = sum(parameter.numel() for parameter in layer.parameters())
    x = torch.randn(1, 32, 32, 32, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda kept: kept
    ):
        layer(x)
    assert max(kept) < 2 * x.numel()
    assert weights < x.numel()


def test_under_autocast_the_output_is_rounded_once() -> None:
    torch.manual_seed(0)
    layer, x = UpsampledConv2d(16, 4), torch.randn(1, 16, 8, 8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        out = layer(x)
    assert out.dtype == torch.bfloat16
    assert (out.float() - as_written(layer, x)).abs().max() < 0.02
