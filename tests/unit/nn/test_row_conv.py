"""Convolutions to few channels by rows: the same numbers as in one piece."""

import pytest
import torch
import torch.nn.functional as F

from nicegan.nn import row_conv


@pytest.mark.parametrize(("out_channels", "kernel"), [(3, (7, 7)), (1, (4, 4)), (2, (3, 5))], ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_values_and_gradients_equal_those_in_one_piece(
    out_channels: int, kernel: tuple[int, int], layout: torch.memory_format
) -> None:
    padded = torch.randn(2, 5, 13, 11, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    weight = torch.randn(out_channels, 5, *kernel, dtype=torch.float64, requires_grad=True)
    expected = F.conv2d(padded, weight)
    found = row_conv.convolve(padded.detach(), weight.detach())
    torch.testing.assert_close(found, expected.detach())
    grad = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, (padded, weight), grad)
    gradients = row_conv.gradients(grad, padded.detach(), weight.detach(), [True, True])
    torch.testing.assert_close(gradients, wanted)
    assert row_conv.gradients(grad, padded.detach(), weight.detach(), [True, False])[1] is None
