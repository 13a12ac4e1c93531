"""The sparing convolution against padding and convolving by torch, value by value."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nicegan.nn import conv
from nicegan.nn.conv import ReflectConv2d, convolve, twice_differentiable
from nicegan.nn.norm import ILN


def inputs(kernel: int = 3) -> list[Tensor]:
    sizes = ((2, 3, 6, 5), (4, 3, kernel, kernel), (4,))
    return [torch.randn(size, dtype=torch.float64).requires_grad_() for size in sizes]


def plain(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    padded = F.pad(x, [padding] * 4, mode="reflect") if padding else x
    return F.conv2d(padded, weight, bias, (stride, stride))


@pytest.fixture(params=["quick", "repeatable"])
def algorithms(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both ways to compute: as fast as can be, and the same bits on every GPU."""
    torch.use_deterministic_algorithms(request.param == "repeatable")
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("algorithms")
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (4, 2, 1), (1, 1, 0), (7, 1, 3)])
def test_values_and_gradients_equal_torchs(kernel: int, stride: int, padding: int) -> None:
    tensors = inputs(kernel)
    ours = convolve(*tensors, stride=(stride, stride), padding=padding)
    expected = plain(*tensors, stride=stride, padding=padding)
    torch.testing.assert_close(ours, expected)
    weight = torch.randn_like(ours)
    wanted = torch.autograd.grad((expected * weight).sum(), tensors)
    for gradient, reference in zip(torch.autograd.grad((ours * weight).sum(), tensors), wanted, strict=True):
        torch.testing.assert_close(gradient, reference)


def test_a_frozen_weight_lets_the_gradient_pass_and_keeps_no_input() -> None:
    x, weight, bias = inputs()
    weight, bias = weight.detach(), bias.detach()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        ours = convolve(x, weight, bias, padding=1)
    assert [tensor.data_ptr() for tensor in kept] == [weight.data_ptr()]
    (gradient,) = torch.autograd.grad(ours.square().sum(), x)
    (wanted,) = torch.autograd.grad(plain(x, weight, bias, 1, 1).square().sum(), x)
    torch.testing.assert_close(gradient, wanted)


def kept_maps(norm: ILN, layer: ReflectConv2d, x: Tensor) -> tuple[set[int], Tensor]:
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        out = layer(norm(x))
    return {tensor.data_ptr() for tensor in kept if tensor.shape == x.shape}, out


def test_behind_a_normalisation_only_its_input_is_kept() -> None:
    norm, layer = ILN(3), ReflectConv2d(3, 4, 3, bias=False)
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    kept, out = kept_maps(norm, layer, x)
    assert kept == {x.data_ptr()}
    expected = F.conv2d(F.pad(norm(x).detach(), (1,) * 4, mode="reflect"), layer.weight)
    (mine,) = torch.autograd.grad(out.square().sum(), layer.weight)
    (wanted,) = torch.autograd.grad(expected.square().sum(), layer.weight)
    torch.testing.assert_close(mine, wanted)


def test_a_wrong_recipe_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted error: the recipe forgets the ReLU."""
    layer, x = ReflectConv2d(3, 4, 3, bias=False), torch.randn(1, 3, 8, 8, requires_grad=True)
    made = conv.with_recompute(x.relu(), conv.Recompute(lambda kept: kept, (x.detach(),)))
    (mine,) = torch.autograd.grad(layer(made).square().sum(), layer.weight)
    (wanted,) = torch.autograd.grad(layer(x.relu()).square().sum(), layer.weight)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(mine, wanted)


def test_a_tensor_changed_in_place_has_no_recipe_any_more() -> None:
    norm, layer, x = ILN(3), ReflectConv2d(3, 4, 3, bias=False), torch.randn(1, 3, 8, 8, requires_grad=True)
    doubled = norm(x)
    doubled.mul_(2)
    (mine,) = torch.autograd.grad(layer(doubled).sum(), layer.weight)
    (wanted,) = torch.autograd.grad(layer(norm(x) * 2).sum(), layer.weight)
    torch.testing.assert_close(mine, wanted)


def test_under_autocast_it_computes_in_half_precision_and_gives_full_gradients() -> None:
    x, weight, bias = (tensor.detach().float().requires_grad_() for tensor in inputs())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = convolve(x, weight, bias, padding=1)
    assert out.dtype == torch.bfloat16
    out.float().square().sum().backward()
    assert {tensor.grad.dtype for tensor in (x, weight, bias) if tensor.grad is not None} == {torch.float32}
    torch.testing.assert_close(out.float(), plain(x, weight, bias, 1, 1), rtol=0.05, atol=0.05)


def test_without_gradients_the_values_are_the_same() -> None:
    tensors = inputs()
    with torch.no_grad():
        silent = convolve(*tensors, padding=1)
    assert torch.equal(silent, convolve(*tensors, padding=1))


@pytest.mark.usefixtures("algorithms")
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (4, 2, 1)])
def test_gradients_have_gradients_where_that_is_asked_for(kernel: int, stride: int, padding: int) -> None:
    def convolved(*tensors: Tensor) -> Tensor:
        return convolve(*tensors, stride=(stride, stride), padding=padding)

    with twice_differentiable():
        assert torch.autograd.gradgradcheck(convolved, inputs(kernel))
    x, weight, bias = inputs(kernel)
    (slope,) = torch.autograd.grad(convolved(x, weight, bias).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
