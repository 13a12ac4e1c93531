"""Instance normalisation against torch's own layer."""

import pytest
import torch
import torch.nn.functional as F

from nicegan.nn.instance_norm import InstanceNorm, adaptive_instance_norm


@pytest.mark.parametrize("rectify", [False, True])
def test_values_and_gradients_equal_torchs(rectify: bool) -> None:
    x = (torch.randn(2, 3, 6, 5, dtype=torch.float64) * 3 + 1).requires_grad_()
    expected = F.instance_norm(x)
    expected = expected.relu() if rectify else expected
    ours = InstanceNorm(rectify=rectify)(x)
    torch.testing.assert_close(ours, expected)
    weight = torch.randn_like(x)
    (mine,) = torch.autograd.grad((ours * weight).sum(), x)
    (wanted,) = torch.autograd.grad((expected * weight).sum(), x)
    torch.testing.assert_close(mine, wanted)


def test_gradients_equal_finite_differences() -> None:
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(InstanceNorm(), x)


def test_the_unbiased_variance_would_be_caught() -> None:
    """Planted error."""
    x = torch.randn(1, 2, 3, 3, dtype=torch.float64)
    wrong = (x - x.mean((2, 3), keepdim=True)) / torch.sqrt(x.var((2, 3), keepdim=True) + 1e-5)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(InstanceNorm()(x), wrong)


def test_only_the_input_is_kept_and_channels_stay_last() -> None:
    x = torch.randn(1, 4, 8, 8).contiguous(memory_format=torch.channels_last).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        out = InstanceNorm(rectify=True)(x)
    assert [tensor.data_ptr() for tensor in kept if tensor.shape == x.shape] == [x.data_ptr()]
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("rectify", [False, True])
def test_the_adaptive_form_equals_torchs_norm_scaled_and_shifted(rectify: bool) -> None:
    x = (torch.randn(2, 3, 6, 5, dtype=torch.float64) * 1e-2 + 1).requires_grad_()  # small enough for eps to matter
    scale, shift = (torch.randn(2, 3, dtype=torch.float64).requires_grad_() for _ in "ab")
    expected = F.instance_norm(x) * scale[..., None, None] + shift[..., None, None]
    expected = expected.relu() if rectify else expected
    ours = adaptive_instance_norm(x, scale, shift, rectify=rectify)
    torch.testing.assert_close(ours, expected)
    weight = torch.randn_like(x)
    mine = torch.autograd.grad((ours * weight).sum(), (x, scale, shift))
    for gradient, wanted in zip(mine, torch.autograd.grad((expected * weight).sum(), (x, scale, shift)), strict=True):
        torch.testing.assert_close(gradient, wanted)
