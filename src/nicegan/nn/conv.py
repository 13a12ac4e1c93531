"""Convolutions padded by reflection."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def reflect_pad(x: Float[Tensor, "n c h w"], padding: int) -> Float[Tensor, "n c h_padded w_padded"]:
    """Pad every side by reflection."""
    return F.pad(x, (padding,) * 4, mode="reflect")


class ReflectConv2d(nn.Conv2d):
    """A convolution of stride 1 whose output has the size of its input, padded by reflection."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, bias: bool) -> None:
        super().__init__(in_channels, out_channels, kernel_size, bias=bias)
        self.reach = kernel_size // 2

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c_out h w"]:
        return super().forward(reflect_pad(input, self.reach))
