"""The convolution of a map at twice its side is what it says, without that map."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nicegan.nn.upsampled_conv import UpsampledConv3x3, UpsampledConv5x5

Layer = UpsampledConv3x3 | UpsampledConv5x5
KINDS = [UpsampledConv3x3, UpsampledConv5x5]


def as_written(layer: Layer, x: Tensor) -> Tensor:
    padding = (layer.kernel_size[0] // 2,) * 4
    twofold = F.pad(F.interpolate(x, scale_factor=2), padding, mode="reflect")
    return F.conv2d(twofold, layer.weight, layer.bias)


@pytest.mark.parametrize(
    ("kind", "size"),
    [(kind, size) for kind in KINDS for size in ((7, 9), (2, 2), (2, 5))] + [(UpsampledConv3x3, (1, 1))],
)
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_output_and_gradients_are_those_of_the_twofold_map(
    kind: type[Layer], size: tuple[int, int], order: torch.memory_format
) -> None:
    torch.manual_seed(0)
    layer = kind(6, 4).double()
    x = torch.randn(2, 6, *size, dtype=torch.float64).contiguous(memory_format=order).requires_grad_()
    inputs = (x, *layer.parameters())
    ours, theirs = layer(x), as_written(layer, x)
    torch.testing.assert_close(ours, theirs)
    outward = torch.randn_like(theirs)
    for found, expected in zip(*(torch.autograd.grad(out, inputs, outward) for out in (ours, theirs)), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_swapped_sums_of_taps_are_caught(kind: type[Layer], monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted error."""
    layer, x = kind(6, 4), torch.randn(2, 6, 4, 4)
    monkeypatch.setattr(kind, "sums", kind.sums[::-1])
    with pytest.raises(AssertionError):
        torch.testing.assert_close(layer(x), as_written(layer, x))


@pytest.mark.parametrize("kind", KINDS)
def test_it_keeps_the_small_map_only(kind: type[Layer]) -> None:
    layer, kept = kind(32, 1), []
    x = torch.randn(1, 32, 32, 32).contiguous(memory_format=torch.channels_last).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda kept: kept
    ):
        layer(x)
    assert max(kept) < 2 * x.numel()
    assert sum(parameter.numel() for parameter in layer.parameters()) < x.numel()


def test_the_3x3_form_keeps_channels_last() -> None:
    x = torch.randn(1, 32, 8, 8).contiguous(memory_format=torch.channels_last)
    assert UpsampledConv3x3(32, 2)(x).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kind", KINDS)
def test_under_autocast_the_output_is_rounded_once(kind: type[Layer]) -> None:
    torch.manual_seed(0)
    layer, x = kind(16, 4), torch.randn(1, 16, 8, 8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        out = layer(x)
    assert out.dtype == torch.bfloat16
    assert (out.float() - as_written(layer, x)).abs().max() < 0.02
