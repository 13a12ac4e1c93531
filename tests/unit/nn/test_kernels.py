"""The Triton kernels against the plain forms in float64: on a GPU, or on a CPU by Triton's interpreter (conftest)."""

import importlib.util

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

if importlib.util.find_spec("triton") is None:
    pytest.skip("needs Triton (pip install triton)", allow_module_level=True)

from nicegan.nn import kernels  # noqa: E402
from nicegan.nn.instance_norm import InstanceNorm, adaptive_instance_norm  # noqa: E402
from nicegan.nn.kernels.norm import apply_affine  # noqa: E402
from nicegan.nn.kernels.norm import normalise as kernel_normalise  # noqa: E402
from nicegan.nn.kernels.norm_gradient import normalise_gradients  # noqa: E402
from nicegan.nn.kernels.pad import reflect_pad, unpad_gradient  # noqa: E402
from nicegan.nn.kernels.sums import channel_sums  # noqa: E402
from nicegan.nn.norm import normalise  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SHAPES = [(1, 8, 5, 7), (2, 6, 12, 11), (2, 64, 20, 37), (1, 3, 2, 2), (2, 130, 9, 9)]
if DEVICE == "cuda":
    SHAPES += [(2, 256, 64, 64), (1, 64, 256, 256)]


def inputs(shape: tuple[int, int, int, int]) -> list[Tensor]:
    n, c = shape[:2]
    spread, centre = (torch.rand(2, c, 1, 1, dtype=torch.float64) * 3).unbind()
    x = torch.randn(shape, dtype=torch.float64) * spread + centre
    rest = [torch.randn(size, dtype=torch.float64) for size in ((n, c), (n, c), (c, 2), shape)]
    return [tensor.to(DEVICE).float().double() for tensor in (x, *rest)]


def distance(one: Tensor, other: Tensor) -> float:
    return ((one.double() - other).norm() / other.norm().clamp_min(1e-12)).item()


@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 5e-6), (torch.bfloat16, 2e-2)], ids=str)
def test_values_and_gradients_equal_the_plain_form(
    shape: tuple[int, int, int, int], rectify: bool, dtype: torch.dtype, tolerance: float
) -> None:
    x, gamma, beta, mix, grad = inputs(shape)
    x, grad = x.to(dtype).double(), grad.to(dtype).double()
    leaves = [tensor.requires_grad_() for tensor in (x, gamma, beta, mix)]
    expected = normalise(*leaves, rectify=rectify)
    wanted = torch.autograd.grad(expected, leaves, grad)
    x, gamma, beta, mix = (tensor.detach().float() for tensor in leaves)
    result = kernel_normalise(x.to(dtype), gamma, beta, mix, rectify=rectify)
    assert result.out.dtype == dtype
    assert distance(result.out, expected.detach()) < tolerance
    found = normalise_gradients(x.to(dtype), grad.to(dtype), result.affine, gamma, mix, rectify=rectify)
    for gradient, reference in zip(found, wanted, strict=True):
        assert distance(gradient, reference) < tolerance


@pytest.mark.parametrize("padding", [0, 1, 3])
def test_padding_and_its_gradient_equal_torchs(padding: int) -> None:
    x = torch.randn(2, 5, 7, 6, device=DEVICE, requires_grad=True)
    expected = F.pad(x, (padding,) * 4, mode="reflect") if padding else x * 1
    grad = torch.randn_like(expected)
    assert torch.equal(reflect_pad(x.detach(), padding), expected)
    torch.testing.assert_close(unpad_gradient(grad, padding), torch.autograd.grad(expected, x, grad)[0])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 4e-3)], ids=str)
def test_sums_of_channels(shape: tuple[int, int, int, int], dtype: torch.dtype, tolerance: float) -> None:
    x = torch.rand(shape, device=DEVICE).to(dtype)
    assert distance(channel_sums(x), x.double().sum(dim=(0, 2, 3))) < tolerance


@pytest.mark.parametrize("rectify", [False, True])
def test_instance_norm_by_the_kernels_equals_torchs(rectify: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "usable", lambda x: x.dtype == torch.float32)
    x, grad = ((torch.randn(2, 6, 5, 7, device=DEVICE) * 1e-3).requires_grad_() for _ in "xg")
    wide = x.detach().double().requires_grad_()
    expected = F.instance_norm(wide)
    expected = expected.relu() if rectify else expected
    found = InstanceNorm(rectify=rectify)(x)
    assert distance(found.detach(), expected.detach()) < 5e-6
    found, expected = F.leaky_relu_(found, 0.2), F.leaky_relu(expected, 0.2)  # in place, as in a discriminator
    (gradient,) = torch.autograd.grad(found, x, grad.detach())
    assert distance(gradient, torch.autograd.grad(expected, wide, grad.detach().double())[0]) < 5e-6


@pytest.mark.parametrize("rectify", [False, True])
def test_the_adaptive_form_by_the_kernels_equals_torchs(rectify: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scales and shifts are rows of one tensor, as a style's numbers are."""
    monkeypatch.setattr(kernels, "usable", lambda x: x.dtype == torch.float32)
    x, grad = (torch.randn(2, 6, 5, 7, device=DEVICE) * 1e-2 for _ in "xg")
    leaves = [x.requires_grad_(), torch.randn(2, 2, 6, device=DEVICE).requires_grad_()]
    wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
    shift, scale = (numbers[..., None, None] for numbers in wide[1].unbind(dim=1))
    expected = F.instance_norm(wide[0]) * scale + shift
    expected = expected.relu() if rectify else expected
    shift, scale = leaves[1].unbind(dim=1)
    found = adaptive_instance_norm(x, scale, shift, rectify=rectify)
    assert distance(found.detach(), expected.detach()) < 5e-6
    for gradient, wanted in zip(
        torch.autograd.grad(found, leaves, grad),
        torch.autograd.grad(expected, wide, grad.double()),
        strict=True,
    ):
        assert distance(gradient, wanted) < 5e-6


@pytest.mark.parametrize("rectify", [False, True])
def test_an_affine_map_is_padded_in_one_launch(rectify: bool) -> None:
    x, scale, shift = (torch.randn(size, device=DEVICE) for size in ((2, 5, 7, 6), (2, 5), (2, 5)))
    mapped = x * scale[..., None, None] + shift[..., None, None]
    mapped = mapped.relu() if rectify else mapped
    torch.testing.assert_close(apply_affine(x, scale, shift, rectify=rectify), mapped)
    padded = reflect_pad(x, 1, (scale, shift), rectify=rectify)
    torch.testing.assert_close(padded, F.pad(mapped, (1,) * 4, mode="reflect"))


def test_one_value_for_gamma_and_beta_of_all_images_is_read_where_it_is() -> None:
    x, gamma, beta, mix, _ = inputs((2, 6, 12, 11))
    x, gamma, beta, mix = x.float(), gamma[:1].float().expand(2, 6), beta[:1].float().expand(2, 6), mix.float()
    shared = kernel_normalise(x, gamma, beta, mix, rectify=True)
    copied = kernel_normalise(x, gamma.contiguous(), beta.contiguous(), mix, rectify=True)
    assert torch.equal(shared.out, copied.out)


def test_a_wrong_affine_map_is_caught() -> None:
    """Planted error: the gradient is given the shift without the layer's mean."""
    x, gamma, beta, mix, grad = (tensor.float() for tensor in inputs((2, 6, 12, 11)))
    affine = kernel_normalise(x, gamma, beta, mix, rectify=True).affine
    right = normalise_gradients(x, grad, affine, gamma, mix, rectify=True)
    affine[3] += 0.1
    wrong = normalise_gradients(x, grad, affine, gamma, mix, rectify=True)
    assert distance(wrong.x, right.x.double()) > 1e-3
