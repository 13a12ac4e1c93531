"""Plain blocks that several references share: PyTorch's own layers in its own memory format, as the papers say."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Draws:
    """Random tensors of a step, in the order of use: those that are given, then new ones."""

    def __init__(self, given: Iterable[Tensor]) -> None:
        self.given = list(given)

    def normal(self, *shape: int, like: Tensor) -> Tensor:
        return self.given.pop(0) if self.given else torch.randn(shape, dtype=like.dtype, device=like.device)

    def normal_like(self, x: Tensor) -> Tensor:
        return self.normal(*x.shape, like=x)

    def indices(self, count: int, total: int, like: Tensor) -> Tensor:
        return self.given.pop(0) if self.given else torch.randperm(total, device=like.device)[:count]


def padded_conv(  # noqa: PLR0913
    a: int, b: int, kernel: int, pad: int, *, stride: int = 1, bias: bool = True
) -> list[nn.Module]:
    return [nn.ReflectionPad2d(pad), nn.Conv2d(a, b, kernel, stride, bias=bias)]


def norm_relu(c: int) -> list[nn.Module]:
    return [nn.InstanceNorm2d(c), nn.ReLU(inplace=True)]


class PlainBlock(nn.Module):
    """x + IN(conv(ReLU(IN(conv(x)))))"""

    def __init__(self, c: int, *, bias: bool = True) -> None:
        super().__init__()
        conv1, conv2 = (padded_conv(c, c, 3, 1, bias=bias) for _ in "12")
        self.layers = nn.Sequential(*conv1, *norm_relu(c), *conv2, nn.InstanceNorm2d(c))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class PlainImageNorm(nn.Module):
    """(x - mean) / (deviation + eps) of each image, with gamma and beta for each channel."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(c))
        self.beta = nn.Parameter(torch.zeros(c))

    def forward(self, x: Tensor) -> Tensor:
        mean, deviation = x.flatten(1).mean(1).view(-1, 1, 1, 1), x.flatten(1).std(1).view(-1, 1, 1, 1)
        return (x - mean) / (deviation + 1e-5) * self.gamma.view(1, -1, 1, 1) + self.beta.view(1, -1, 1, 1)


class PlainUp(nn.Module):
    """Twice the side, half the channels: pixels repeated, 5x5 convolution, norm of the image, ReLU."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.norm = PlainImageNorm(c // 2)
        self.conv = nn.Sequential(nn.Upsample(scale_factor=2), *padded_conv(c, c // 2, 5, 2))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)), inplace=True)


class PlainExit(nn.Sequential):
    """Two doublings of the side, then the image."""

    def __init__(self, c: int) -> None:
        super().__init__(PlainUp(4 * c), PlainUp(2 * c), *padded_conv(c, 3, 7, 3), nn.Tanh())


class PlainContentEncoder(nn.Sequential):
    def __init__(self, c: int, blocks: int) -> None:
        super().__init__(
            *padded_conv(3, c, 7, 3), *norm_relu(c),
            *padded_conv(c, 2 * c, 4, 1, stride=2), *norm_relu(2 * c),
            *padded_conv(2 * c, 4 * c, 4, 1, stride=2), *norm_relu(4 * c),
            *(PlainBlock(4 * c) for _ in range(blocks)),
        )  # fmt: skip


class PlainStyleEncoder(nn.Sequential):
    def __init__(self, c: int, features: int) -> None:
        layers = [*padded_conv(3, c, 7, 3), nn.ReLU(inplace=True)]
        for a, b in ((c, 2 * c), (2 * c, 4 * c), (4 * c, 4 * c), (4 * c, 4 * c)):
            layers += [*padded_conv(a, b, 4, 1, stride=2), nn.ReLU(inplace=True)]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Conv2d(4 * c, features, 1))


class PlainMultiScale(nn.ModuleList):
    """Equal discriminators of an image, of its half, of its quarter ..."""

    def __init__(self, c: int, num_layers: int, num_scales: int, leak: float) -> None:
        super().__init__(self._scale(c, num_layers, leak) for _ in range(num_scales))

    @staticmethod
    def _scale(c: int, num_layers: int, leak: float) -> nn.Sequential:
        widths, layers = [3, *(c << i for i in range(num_layers))], []
        for a, b in zip(widths, widths[1:], strict=False):
            layers += [*padded_conv(a, b, 4, 1, stride=2), nn.LeakyReLU(leak, inplace=True)]
        return nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        logits = []
        for scale in self:
            logits.append(scale(x))
            x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
        return logits


def toward(logits: Iterable[Tensor], value: float) -> Tensor:
    """Return the sum over heads of mean (logit - value)^2."""
    return sum((F.mse_loss(head, torch.full_like(head, value)) for head in logits), torch.zeros(()))


def adam(*modules: nn.Module, rate: float = 1e-4, decay: float = 1e-4) -> torch.optim.Adam:
    parameters = [parameter for module in modules for parameter in module.parameters()]
    return torch.optim.Adam(parameters, lr=rate, betas=(0.5, 0.999), weight_decay=decay)
