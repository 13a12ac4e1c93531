"""The discriminators of DRIT: two of each domain's images, and one of the domains' contents."""

from __future__ import annotations

from torch import nn

from nicegan.nn.conv import ReflectConv2d
from nicegan.nn.multi_scale import MultiScaleDiscriminator
from nicegan.shapes import Image, Latent, Logits

LEAK = 0.01  # slope of LeakyReLU


class DiscriminatorPair(nn.Module):
    """image -> logits of two discriminators: of translations with the style of an image, and with a random one."""

    def __init__(self, base_channels: int, num_layers: int, num_scales: int) -> None:
        super().__init__()
        self.encoded = MultiScaleDiscriminator(base_channels, num_layers, num_scales, leak=LEAK)
        self.random = MultiScaleDiscriminator(base_channels, num_layers, num_scales, leak=LEAK)
        self.head_names = tuple(f"{kind}_{head}" for kind in ("encoded", "random") for head in self.encoded.head_names)

    def forward(self, image: Image) -> Logits:
        logits = [*self.encoded(image).values(), *self.random(image).values()]
        return dict(zip(self.head_names, logits, strict=True))


class ContentDiscriminator(nn.Module):
    """content -> logits that its image is of domain B.

    Args:
        num_channels: of a content.
        num_layers: halvings of the map.
    """

    head_names = ("content",)

    def __init__(self, num_channels: int, num_layers: int) -> None:
        super().__init__()
        c = num_channels
        layers: list[nn.Module] = []
        for _ in range(num_layers):
            layers += [ReflectConv2d(c, c, 7, bias=True, stride=2, padding=1), nn.LeakyReLU(LEAK, inplace=True)]
        last = ReflectConv2d(c, c, 4, bias=True, padding=0)
        self.layers = nn.Sequential(*layers, last, nn.LeakyReLU(LEAK, inplace=True))
        self.exit = nn.Conv2d(c, 1, 1)

    def forward(self, content: Latent) -> Logits:
        return {"content": self.exit(self.layers(content)).flatten(1)}  # (n, k)
