"""The folded attention against the doubled map of its definition."""

import pytest
import torch
import torch.nn.functional as F

from nicegan.nn.attention import ClassActivation, PlainAttention, ResidualAttention
from nicegan.nn.statistics import largest


@pytest.mark.parametrize("kind", [ResidualAttention, PlainAttention])
def test_folding_the_weights_into_the_kernel_changes_nothing(kind: type) -> None:
    x, attention, cam = torch.randn(2, 4, 6, 5), kind(4), ClassActivation(4)
    doubled = torch.cat([x, x], dim=1) * cam.weight[0, :, None, None]
    attended = attention.attended.mix(doubled)
    if kind is ResidualAttention:
        with torch.no_grad():
            attention.gate.fill_(0.7)
        attended = 0.7 * attended + x
    torch.testing.assert_close(attention(x, cam.weight), F.leaky_relu(attended, 0.2))


def test_the_largest_value_and_its_gradient_are_the_same_by_either_way() -> None:
    x = torch.randn(2, 3, 5, 4).requires_grad_()
    found = []
    for repeatable in (False, True):
        torch.use_deterministic_algorithms(repeatable)
        found.append((largest(x), *torch.autograd.grad(largest(x).square().sum(), x)))
    torch.use_deterministic_algorithms(False)
    assert torch.equal(found[0][0], x.amax((2, 3)))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_the_gate_starts_closed() -> None:
    x = torch.randn(1, 4, 3, 3)
    torch.testing.assert_close(ResidualAttention(4)(x, torch.randn(1, 8)), F.leaky_relu(x, 0.2))


def test_the_logit_reads_averages_then_maxima_with_the_normalised_weight() -> None:
    x, cam = torch.randn(2, 3, 4, 4), ClassActivation(3)
    pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1)
    torch.testing.assert_close(cam(x), pooled @ cam.weight.t() / cam.weight.norm())
