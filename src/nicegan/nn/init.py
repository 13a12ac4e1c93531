"""Initial weights as published methods draw them; without a call, layers keep PyTorch's own."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

Scheme = Callable[[nn.Module], None]
WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def normal(module: nn.Module, deviation: float = 0.02) -> None:
    """Draw all weights from N(0, deviation); biases are 0."""
    _draw(module, lambda weight: nn.init.normal_(weight, 0.0, deviation))


def normal_convolutions(module: nn.Module, deviation: float = 0.02) -> None:
    """Draw the weights of convolutions from N(0, deviation); linear layers and all biases keep PyTorch's own."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, 0.0, deviation)


def kaiming(module: nn.Module) -> None:
    """Draw all weights from Kaiming's normal distribution by fan-in, for ReLU; biases are 0."""
    _draw(module, lambda weight: nn.init.kaiming_normal_(weight, a=0, mode="fan_in"))


def xavier(module: nn.Module, gain: float = 0.02) -> None:
    """Draw all weights from Xavier's normal distribution; biases are 0."""
    _draw(module, lambda weight: nn.init.xavier_normal_(weight, gain=gain))


def _draw(module: nn.Module, draw: Callable[[Tensor], object]) -> None:
    for layer in module.modules():
        if isinstance(layer, WEIGHTED):
            draw(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
