"""Spectral normalisation against singular values and against torch's own layer."""

import pytest
import torch
from torch import nn

from nicegan.nn import spectral
from nicegan.nn.spectral import SpectralConv2d, SpectralLinear


def converged(layer: SpectralConv2d) -> SpectralConv2d:
    for _ in range(200):
        spectral.iterate(layer)
    return layer


def test_sigma_is_the_largest_singular_value() -> None:
    layer = converged(SpectralConv2d(3, 5, stride=2))
    largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2)
    torch.testing.assert_close(layer.norm(layer.weight).detach(), largest)


@pytest.mark.parametrize(
    ("side", "limit"),
    [(4, 1 << 16), (32, 1 << 16), (4, 10)],
    ids=["the output is smaller", "the weight is smaller", "one product of matrices"],
)
@pytest.mark.parametrize("bias", [True, False])
def test_outputs_and_gradients_equal_torchs_layer(
    side: int, limit: int, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spectral, "WEIGHTS_PER_POSITION", limit)
    ours = converged(SpectralConv2d(8, 8, stride=1, bias=bias))
    theirs = nn.utils.spectral_norm(nn.Conv2d(8, 8, 4, bias=bias))
    names = {"weight_orig": ours.weight, "weight_u": ours.norm.u, "weight_v": ours.norm.v}
    state = {name: tensor.detach() for name, tensor in names.items()} | ({"bias": ours.bias.detach()} if bias else {})  # pyright: ignore[reportOptionalMemberAccess]
    theirs.load_state_dict(state)
    theirs.eval()  # no power iteration
    image = torch.randn(2, 8, side, side, requires_grad=True)
    padded = nn.functional.pad(image, (1, 1, 1, 1), mode="reflect")

    out, expected = ours(image), theirs(padded)
    torch.testing.assert_close(out, expected)
    weight = torch.randn_like(out)
    mine = torch.autograd.grad((out * weight).sum(), [image, ours.weight])
    reference = torch.autograd.grad((expected * weight).sum(), [image, theirs.weight_orig])  # pyright: ignore
    for gradient, wanted in zip(mine, reference, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-5)


def test_the_rank_one_term_matters() -> None:
    """Planted error: a gradient that takes sigma for a constant is not the gradient."""
    layer = converged(SpectralConv2d(8, 8, stride=1))
    image = torch.randn(1, 8, 4, 4)
    (right,) = torch.autograd.grad(layer(image).square().sum(), layer.weight)
    sigma = layer.norm(layer.weight).detach()
    padded = nn.functional.pad(image, (1, 1, 1, 1), mode="reflect")
    (wrong,) = torch.autograd.grad(
        nn.functional.conv2d(padded, layer.weight / sigma, layer.bias).square().sum(), layer.weight
    )
    assert (right - wrong).norm() > 1e-2 * right.norm()


def test_a_pass_moves_nothing_and_iterate_moves_every_layer() -> None:
    module = nn.Sequential(SpectralConv2d(3, 4, stride=2), nn.Flatten(), SpectralLinear(64, 1))
    before = [buffer.clone() for buffer in module.buffers()]
    module(torch.randn(1, 3, 8, 8))
    assert all(torch.equal(a, b) for a, b in zip(before, module.buffers(), strict=True))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))
    spectral.iterate(module)
    moved = [not torch.equal(a, b) for a, b in zip(before, module.buffers(), strict=True)]
    assert moved == [True, True, False, True]  # the linear layer's u is one number, and stays 1 or -1


def test_iterating_between_forward_and_backward_does_not_disturb_the_graph() -> None:
    layer = SpectralConv2d(3, 4, stride=2)
    loss = layer(torch.randn(1, 3, 8, 8)).sum()
    spectral.iterate(layer)
    loss.backward()


def test_a_fresh_layer_is_already_well_normalised() -> None:
    layer = SpectralConv2d(16, 32, stride=2)
    largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2)
    assert 0.8 * largest < layer.norm(layer.weight) <= 1.0001 * largest
