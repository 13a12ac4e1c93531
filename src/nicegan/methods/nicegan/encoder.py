"""The encoder: the first layers of a discriminator, then attention. In NICE-GAN there is no other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nicegan.nn.attention import LEAK, ClassActivation, PlainAttention, ResidualAttention
from nicegan.nn.resample import BlurDown
from nicegan.nn.spectral import SpectralConv2d
from nicegan.shapes import Features, Image, Latent

Attention = ResidualAttention | PlainAttention


class DownLayer(SpectralConv2d):
    """A spectrally normalised convolution and LeakyReLU; stride 2 halves the map, stride 1 takes one pixel off."""

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c_out h_out w_out"]:
        return F.leaky_relu_(super().forward(input), LEAK)


class BlurredDownLayer(DownLayer):
    """A layer of stride 1, then every second pixel of its blurred map: the same size as by stride 2, without aliasing
    (Zhang, ICML 2019)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, stride=1)
        self.blur = BlurDown()

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c_out h_out w_out"]:
        return self.blur(super().forward(input))


Halving = Callable[[int, int], DownLayer]  # from numbers of channels to a layer that halves the map
strided: Halving = partial(DownLayer, stride=2)


class Encoder(nn.Module):
    """image -> latent. `cam` weighs the channels for the attention; as the head C0 it belongs to the discriminator.

    Args:
        base_channels: channels after the first layer; each further layer doubles them.
        num_layers: layers that halve the map (2 in the paper, so the latent has a quarter of the image's side).
        attention: how the CAM's weights act on the features; None passes the features on.
        cam: the class activation classifier; needed by an attention.
        halving: what its layers are.
    """

    def __init__(  # noqa: PLR0913
        self,
        base_channels: int,
        num_layers: int,
        attention: Attention | None,
        cam: ClassActivation | None,
        halving: Halving = strided,
    ) -> None:
        super().__init__()
        widths = [3, *(base_channels << i for i in range(num_layers))]
        self.layers = nn.Sequential(*(halving(a, b) for a, b in zip(widths, widths[1:], strict=False)))
        self.attention = attention
        self.cam = cam

    def features(self, image: Image) -> Features:
        """Return what the attention and the CAM classifier look at."""
        return self.layers(image.contiguous(memory_format=torch.channels_last))

    def attend(self, features: Features) -> Latent:
        """Return the latent of these features."""
        if self.attention is None:
            return F.leaky_relu(features, LEAK)
        assert self.cam is not None, "an attention needs the weights of a CAM"
        return self.attention(features, self.cam.weight)

    def forward(self, image: Image) -> Latent:
        return self.attend(self.features(image))


def heatmap(latent: Latent) -> Float[Tensor, "n 1 h_latent w_latent"]:
    """Return what the encoder attends to: the sum of the latent over its channels."""
    return latent.sum(dim=1, keepdim=True)
