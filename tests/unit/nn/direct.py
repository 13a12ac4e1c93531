"""Ways to convolve, held to the direct convolution."""

from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor


def assert_is_direct(way: ModuleType, padded: Tensor, weight: Tensor) -> None:
    """The module's `convolve` and `gradients` give the direct convolution's numbers, and only what is wanted."""
    padded, weight = padded.detach().requires_grad_(), weight.detach().requires_grad_()
    expected = F.conv2d(padded, weight)
    torch.testing.assert_close(way.convolve(padded.detach(), weight.detach()), expected.detach())
    grad = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, (padded, weight), grad)
    torch.testing.assert_close(way.gradients(grad, padded.detach(), weight.detach(), [True, True]), wanted)
    assert way.gradients(grad, padded.detach(), weight.detach(), [True, False])[1] is None
