"""Half and twice the side without aliasing (Zhang, "Making convolutional networks shift-invariant again", 2019)."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nicegan.nn.conv import reflect_pad


class BlurDown(nn.Module):
    """Half the side, rounded up: the filter [1, 2, 1] x [1, 2, 1] / 16 at every second pixel, edges reflected."""

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h_half w_half"]:
        # [1, 1] / 2 twice is [1, 2, 1] / 4.
        return F.avg_pool2d(F.avg_pool2d(reflect_pad(x, 1), 2, stride=1), 2, stride=2)


class BilinearUp(nn.Module):
    """Twice the side, bilinear, pixels taken as squares."""

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h_double w_double"]:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
