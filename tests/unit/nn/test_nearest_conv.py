"""The 2x2 convolution of a map is the 3x3 convolution of the map at twice its side."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nicegan.nn import nearest_conv
from nicegan.nn.nearest_conv import NearestConv2d


def as_written(layer: NearestConv2d, x: Tensor) -> Tensor:
    return F.conv2d(F.pad(F.interpolate(x, scale_factor=2), (1, 1, 1, 1), mode="reflect"), layer.weight)


def layer_and_map(size: tuple[int, int]) -> tuple[NearestConv2d, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(2, 6, *size, dtype=torch.float64)
    return NearestConv2d(6, 4).double(), x.contiguous(memory_format=torch.channels_last).requires_grad_()


@pytest.mark.parametrize("size", [(7, 9), (1, 1), (2, 5)])
def test_output_and_gradients_are_those_of_the_twofold_map(size: tuple[int, int]) -> None:
    layer, x = layer_and_map(size)
    inputs = (x, layer.weight)
    ours, theirs = layer(x), as_written(layer, x)
    torch.testing.assert_close(ours, theirs)
    outward = torch.randn_like(theirs)
    for found, expected in zip(*(torch.autograd.grad(out, inputs, outward) for out in (ours, theirs)), strict=True):
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(layer(x.detach().contiguous()), theirs.detach())


def test_swapped_sums_of_taps_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted error."""
    layer, x = layer_and_map((4, 4))
    monkeypatch.setattr(nearest_conv, "SUMS", nearest_conv.SUMS[::-1])
    with pytest.raises(AssertionError):
        torch.testing.assert_close(layer(x), as_written(layer, x))


def test_it_keeps_the_small_map_and_channels_last() -> None:
    layer, kept = NearestConv2d(32, 2), []
    x = torch.randn(1, 32, 32, 32).contiguous(memory_format=torch.channels_last).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda kept: kept
    ):
        out = layer(x)
    assert max(kept) < 2 * x.numel()
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_under_autocast_the_output_is_rounded_once() -> None:
    torch.manual_seed(0)
    layer, x = NearestConv2d(16, 4), torch.randn(1, 16, 8, 8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        out = layer(x)
    assert out.dtype == torch.bfloat16
    assert (out.float() - as_written(layer, x)).abs().max() < 0.02
