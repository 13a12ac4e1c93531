"""The discriminator: an encoder with classifiers on top, D = C . E."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from nicegan.errors import ConfigError
from nicegan.methods.nicegan.encoder import DownLayer, Encoder, Halving, strided
from nicegan.methods.nicegan.geometry import num_halvings, smallest_side
from nicegan.nn.spectral import SpectralConv2d
from nicegan.shapes import Features, Image, Latent, Logits

PATCH_HEADS = ("local", "global")


class Reading(NamedTuple):
    """What a discriminator reads in images: their latent, and its logits by head (1 for real, 0 for fake)."""

    latent: Latent
    logits: Logits


class PatchHead(nn.Module):
    """One logit per patch: a layer of stride 1, then a convolution to one channel."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.layer = DownLayer(num_channels, 2 * num_channels, stride=1)
        self.logit = SpectralConv2d(2 * num_channels, 1, stride=1, bias=False)

    def forward(self, features: Features) -> Float[Tensor, "n 1 h_patch w_patch"]:
        return self.logit(self.layer(features))


class Classifiers(nn.Module):
    """The patch heads C1 (local) and C2 (global) on one trunk: the global head reads deeper where the local one stops.

    Args:
        base_channels: channels of the encoder's first layer.
        encoder_layers: layers below that halve the map, in the encoder.
        depth: places the heads, see `nicegan.methods.nicegan.geometry`.
        heads: which of "local" and "global" there are.
        halving: what the trunk's layers are.
    """

    def __init__(  # noqa: PLR0913
        self, base_channels: int, encoder_layers: int, depth: int, heads: Sequence[str], halving: Halving = strided
    ) -> None:
        super().__init__()
        self.trunks = nn.ModuleDict()
        self.heads = nn.ModuleDict()
        reached = encoder_layers
        for name in (head for head in PATCH_HEADS if head in heads):
            widths = [base_channels << i for i in range(reached - 1, num_halvings(depth, name))]
            layers = (halving(a, b) for a, b in zip(widths, widths[1:], strict=False))
            self.trunks[name] = nn.Sequential(*layers)
            self.heads[name] = PatchHead(widths[-1])
            reached = num_halvings(depth, name)

    def forward(self, latent: Latent) -> dict[str, Tensor]:
        logits = {}
        features = latent
        for name, trunk in self.trunks.items():
            features = trunk(features)
            logits[name] = self.heads[name](features)
        return logits


class Discriminator(nn.Module):
    """image -> logits. Its `encoder` is the domain's encoder in NICE-GAN.

    Args:
        encoder: the first layers; its `cam` is the classifier C0.
        classifiers: the patch heads on the latent.
        heads: the classifiers whose logits count, a subset of "cam", "local", "global".
        depth: as given to the classifiers, to say which images are too small.
    """

    def __init__(self, encoder: Encoder, classifiers: Classifiers, heads: Sequence[str], depth: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifiers = classifiers
        self.head_names = tuple(heads)
        self.depth = depth

    def read(self, image: Image) -> Reading:
        """Return the latent and the logits in one pass.

        Raises:
            ConfigError: the image is too small.
        """
        smallest = smallest_side(self.depth, len(self.encoder.layers), self.head_names)
        if min(image.shape[2:]) < smallest:
            size = "x".join(map(str, image.shape[2:]))
            raise ConfigError(f"{size} is too small for a discriminator of depth {self.depth} (smallest: {smallest})")
        features = self.encoder.features(image)
        latent = self.encoder.attend(features)
        logits = {"cam": self.encoder.cam(features)} if self.encoder.cam and "cam" in self.head_names else {}
        return Reading(latent, logits | self.classifiers(latent))

    def forward(self, image: Image) -> Logits:
        return self.read(image).logits
