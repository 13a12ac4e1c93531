"""Feature networks for tests: tiny TorchScript files, good and bad."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn


class Means(nn.Module):
    """Means over a 4x4 grid, scaled to about 1: 48 features of images of any size."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images.float(), 4).flatten(1) / 64


class Roughness(nn.Module):
    """How much neighbours differ, of each channel: what shrinking an image changes most."""

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.float()
        return (pixels[..., 1:] - pixels[..., :-1]).abs().mean(dim=(2, 3))


class Flat(nn.Module):
    """As many features as the image has pixels."""

    def forward(self, images: Tensor) -> Tensor:
        return images.float().flatten(1)


class OneRow(nn.Module):
    """One row for the whole batch."""

    def forward(self, images: Tensor) -> Tensor:
        return images.float().flatten(1)[:1]


class Unpooled(nn.Module):
    """Maps, not rows."""

    def forward(self, images: Tensor) -> Tensor:
        return images.float()


class NotANumber(nn.Module):
    """0 / 0."""

    def forward(self, images: Tensor) -> Tensor:
        return (images.float() * 0 / 0).flatten(1)[:, :4]


class Bytes(nn.Module):
    """Not floating point."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :4]


class Pair(nn.Module):
    """Not a tensor."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images, images


class Fails(nn.Module):
    """Takes another number of channels."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(4, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.float()).flatten(1)


class WithoutForward(nn.Module):
    """Has a method, of another name."""

    @torch.jit.export
    def encode(self, images: Tensor) -> Tensor:
        return images.float().flatten(1)


class LikeInception(nn.Module):
    """2048 features where they are asked for, else class scores; refuses what is not 299x299."""

    def forward(self, images: Tensor, return_features: bool = False) -> Tensor:
        assert images.shape[2] == 299 and images.shape[3] == 299
        pooled = nn.functional.adaptive_avg_pool2d(images.float(), (32, 22)).flatten(1)[:, :2048] / 64
        return pooled if return_features else pooled[:, :10]


def write_network(path: Path, network: nn.Module | None = None) -> Path:
    """Script a network (Means unless another is given) into a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        torch.jit.script(network or Means()).save(str(path))
    return path
