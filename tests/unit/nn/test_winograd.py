"""3x3 convolutions by Winograd: the numbers of the direct convolution, in training steps."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from tests.unit.nn.direct import assert_is_direct

from nicegan.nn import conv, winograd
from nicegan.nn.conv import ReflectConv2d, twice_differentiable


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the ways that are taken, in order, and of kernels that are transformed."""
    made: list[str] = []
    for name in ("convolve", "gradients", "_transformed_kernel"):
        function: Callable[..., object] = getattr(winograd, name)

        def counted(*arguments: object, name: str = name, function: Callable[..., object] = function) -> object:
            made.append(name)
            return function(*arguments)

        monkeypatch.setattr(winograd, name, counted)
    return made


@pytest.mark.parametrize("size", [(8, 12), (13, 18), (4, 3)], ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_values_and_gradients_are_those_of_the_direct_convolution(
    size: tuple[int, int], layout: torch.memory_format
) -> None:
    padded = torch.randn(2, 5, size[0] + 2, size[1] + 2, dtype=torch.float64).contiguous(memory_format=layout)
    weight = torch.randn(7, 5, 3, 3, dtype=torch.float64)
    assert_is_direct(winograd, padded, weight)
    grad = torch.randn(2, 7, *size, dtype=torch.float64)
    assert winograd.gradients(grad, padded, weight, [False, True])[0] is None


def test_outputs_and_gradients_in_single_precision_are_exact_to_two_millionths() -> None:
    padded, weight, grad = torch.randn(1, 128, 18, 18), torch.randn(128, 128, 3, 3), torch.randn(1, 128, 16, 16)
    exact_padded, exact_weight = padded.double().requires_grad_(), weight.double().requires_grad_()
    exact = F.conv2d(exact_padded, exact_weight)
    wanted = exact.detach(), *torch.autograd.grad(exact, (exact_padded, exact_weight), grad.double())
    found = winograd.convolve(padded, weight), *winograd.gradients(grad, padded, weight, [True, True])
    for expected, tensor in zip(wanted, found, strict=True):
        assert tensor is not None
        assert (tensor - expected).abs().mean() < 2e-6 * expected.std()


@pytest.mark.parametrize("bias", [False, True])
def test_a_layer_in_a_training_step_goes_by_winograd_with_the_gradients_of_the_direct_convolution(
    calls: list[str], *, bias: bool
) -> None:
    layer = ReflectConv2d(128, 130, 3, bias=bias).double()
    x = torch.randn(1, 128, 30, 32, dtype=torch.float64, requires_grad=True)
    learned = [x, *layer.parameters()]
    with winograd.enabled():
        found = layer(x)
        grad = torch.randn_like(found)
        gradients = torch.autograd.grad(found, learned, grad)
    assert calls == ["convolve", "_transformed_kernel", "gradients"]
    expected = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), layer.weight, layer.bias)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, learned, grad))


def test_a_frozen_layer_that_makes_fakes_in_a_training_step_goes_by_winograd_too(calls: list[str]) -> None:
    layer = ReflectConv2d(128, 128, 3, bias=False).requires_grad_(False)  # noqa: FBT003
    with winograd.enabled(), torch.no_grad():
        layer(torch.randn(1, 128, 30, 32))
    assert "convolve" in calls


@pytest.mark.parametrize(
    "settings",
    [{"out_channels": 127}, {"in_channels": 127}, {"stride": 2}, {"kernel_size": 5}],
    ids=str,
)
def test_other_layers_are_direct(calls: list[str], settings: dict[str, int]) -> None:
    layer = ReflectConv2d(**{"in_channels": 128, "out_channels": 128, "kernel_size": 3, "bias": False, **settings})
    with winograd.enabled():
        layer(torch.randn(1, layer.in_channels, 30, 32)).sum().backward()
    assert not calls


def test_small_maps_half_precision_and_second_gradients_are_direct(calls: list[str]) -> None:
    layer, x = ReflectConv2d(128, 128, 3, bias=False), torch.randn(1, 128, 30, 32)
    with winograd.enabled():
        layer(torch.randn(1, 128, 28, 28)).sum().backward()
        with torch.autocast("cpu", torch.bfloat16):
            layer(x).sum().backward()
            with torch.no_grad():
                layer(x)
        with twice_differentiable():
            layer(x).sum().backward()
        with winograd.disabled():
            layer(x).sum().backward()
    assert not calls


def test_outside_of_training_steps_layers_are_direct(calls: list[str]) -> None:
    layer, x = ReflectConv2d(128, 128, 3, bias=False), torch.randn(1, 128, 30, 32)
    layer(x).sum().backward()
    with torch.no_grad():
        layer(x)
    assert not calls


def test_a_kernel_is_transformed_once_an_update_and_anew_when_the_weight_has_moved(calls: list[str]) -> None:
    layer, x = ReflectConv2d(128, 128, 3, bias=False).double(), torch.randn(1, 128, 30, 32, dtype=torch.float64)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1, fused=True)  # which raises no version counter
    for steps in (1, 2):
        with winograd.enabled():
            (layer(x) + layer(-x)).sum().backward()
        assert calls.count("_transformed_kernel") == steps
        optimizer.step()
    with winograd.enabled():
        torch.testing.assert_close(layer(x), F.conv2d(conv.reflect_pad(x, 1), layer.weight))


def test_the_memory_of_a_transformed_kernel_is_predicted() -> None:
    weight = torch.randn(130, 128, 3, 3)
    assert winograd.transformed_bytes(weight) == winograd._transformed_kernel(weight).nbytes
