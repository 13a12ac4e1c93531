"""The affine form of ILN and AdaILN against its definition, term by term."""

import pytest
import torch
from torch import Tensor

from nicegan.nn import norm
from nicegan.nn.norm import ILN, AdaILN, normalise
from nicegan.nn.statistics import Moments


def by_definition(x: Tensor, gamma: Tensor, beta: Tensor, mix: Tensor) -> Tensor:
    """Every statistic in a pass of its own, as in the published description."""
    instance = (x - x.mean((2, 3), keepdim=True)) / torch.sqrt(x.var((2, 3), keepdim=True) + 1e-5)
    layer = (x - x.mean((1, 2, 3), keepdim=True)) / torch.sqrt(x.var((1, 2, 3), keepdim=True) + 1e-5)
    p = mix.softmax(dim=1)[None, :, :, None, None]
    return gamma[..., None, None] * (p[:, :, 0] * instance + p[:, :, 1] * layer) + beta[..., None, None]


def inputs() -> list[Tensor]:
    dtype = torch.float64
    x = torch.randn(2, 3, 5, 4, dtype=dtype) * torch.tensor([1.0, 3.0, 0.2], dtype=dtype)[:, None, None] + 0.5
    gamma, beta, mix = torch.randn(2, 3, dtype=dtype), torch.randn(2, 3, dtype=dtype), torch.randn(3, 2, dtype=dtype)
    return [tensor.requires_grad_() for tensor in (x, gamma, beta, mix)]


@pytest.mark.parametrize("rectify", [False, True])
def test_values_and_gradients_equal_the_definition(rectify: bool) -> None:
    tensors = inputs()
    weight = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    expected = by_definition(*tensors)
    expected = expected.relu() if rectify else expected
    ours = normalise(*tensors, rectify=rectify)
    torch.testing.assert_close(ours, expected)
    wanted = torch.autograd.grad((expected * weight).sum(), tensors)
    for gradient, reference in zip(torch.autograd.grad((ours * weight).sum(), tensors), wanted, strict=True):
        torch.testing.assert_close(gradient, reference)


def test_gradients_equal_finite_differences() -> None:
    assert torch.autograd.gradcheck(lambda *tensors: normalise(*tensors), inputs())


def test_without_gradients_the_values_are_the_same() -> None:
    tensors = inputs()
    with torch.no_grad():
        plain = normalise(*tensors, rectify=True)
    assert torch.equal(plain, normalise(*tensors, rectify=True))


def test_only_the_input_is_kept_for_the_backward_pass() -> None:
    x, gamma, beta, mix = inputs()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        normalise(x, gamma, beta, mix, rectify=True)
    assert [tensor.data_ptr() for tensor in kept if tensor.ndim == 4] == [x.data_ptr()]


def test_a_wrong_layer_variance_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted error: the layer's variance without the spread of the channels' means."""
    right = norm.layer_moments

    def wrong(moments: Moments, num_pixels: int) -> Moments:
        mean = moments.mean.mean(dim=1, keepdim=True).expand_as(moments.mean)
        return right(Moments(mean, moments.variance), num_pixels)

    tensors = inputs()
    monkeypatch.setattr(norm, "layer_moments", wrong)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(normalise(*tensors), by_definition(*tensors))


def test_a_constant_image_stays_finite() -> None:
    out = ILN(3)(torch.full((1, 3, 4, 4), 7.0, requires_grad=True))
    out.sum().backward()
    assert torch.isfinite(out).all()


def test_initial_mixes_prefer_instances_in_the_body_and_layers_elsewhere() -> None:
    assert AdaILN(2).mix.tolist() == [[pytest.approx(3.2), 1.0]] * 2
    assert ILN(2).mix.tolist() == [[1.0, pytest.approx(3.2)]] * 2


def test_half_precision_keeps_its_type_and_float32_statistics() -> None:
    x = (torch.randn(1, 4, 16, 16) + 20).bfloat16().requires_grad_()
    out = AdaILN(4)(x, torch.ones(1, 4), torch.zeros(1, 4))
    out.float().square().sum().backward()
    assert out.dtype == torch.bfloat16
    assert x.grad is not None
    assert x.grad.dtype == torch.bfloat16
    exact = by_definition(x.float(), torch.ones(1, 4), torch.zeros(1, 4), AdaILN(4).mix)
    assert (out.float() - exact).abs().mean() < 0.1
