"""How good the averaged networks are: one number for fixed test images, of which less is better."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nicegan.config import RunConfig
from nicegan.errors import DataError
from nicegan.feature_network import INCEPTION_SIDE, FeatureNetwork, load_feature_network
from nicegan.methods.base import Batch
from nicegan.metrics.frechet import frechet_distance
from nicegan.metrics.kernel import kernel_distance
from nicegan.metrics.products import inner_products
from nicegan.metrics.wasserstein import sliced_wasserstein
from nicegan.models.domain import OTHER, TranslationPaths
from nicegan.shapes import Image
from nicegan.training.samples import translated

BATCH_SIZE = 16  # images that a feature network looks at together


class Yardstick(NamedTuple):
    """What is measured: the name in the metrics, and in words."""

    name: str
    words: str


class Judge:
    """The distance of translated from real images, mean of both directions.

    Args:
        scored: the fixed images, in [-1, 1].
        device: where to translate.
    """

    yardstick = Yardstick("sliced_wasserstein", "sliced Wasserstein distance")

    def __init__(self, scored: Batch, device: torch.device) -> None:
        self.scored, self.device = scored, device

    def score(self, average: TranslationPaths) -> float:
        """Of both translated sets from the real ones."""
        return self._mean(lambda source, target: translated(average, source, target, self._real(source), self.device))

    @cached_property
    def untranslated(self) -> float:
        """The score of leaving every image as it is."""
        return self._mean(lambda source, target: self._real(source))

    def distance(self, drawn: Image, domain: str) -> float:
        """Of drawn images from the real ones of a domain."""
        return sliced_wasserstein(drawn, self._real(domain))

    def _mean(self, made: Callable[[str, str], Image]) -> float:
        """Over both directions, of the images made of a source for a target."""
        return sum(self.distance(made(source, target), target) for source, target in OTHER.items()) / len(OTHER)

    def _real(self, domain: str) -> Image:
        return self.scored.a if domain == "A" else self.scored.b


class FeatureJudge(Judge):
    """The same by a distance between features.

    Args:
        kind: "kernel" or "frechet".
        network: whose features.
    """

    def __init__(self, scored: Batch, device: torch.device, kind: str, network: FeatureNetwork) -> None:
        super().__init__(scored, device)
        self.kind, self.network = kind, network
        facts = network.facts
        short = facts.kernel_name() if kind == "kernel" else facts.frechet_name()
        self.yardstick = Yardstick(f"{kind}_distance", short if facts.is_inception else f"{short} on {facts.name}")

    @cached_property
    def real_features(self) -> dict[str, Tensor]:
        """Features of the real images of both domains; they never change."""
        return {domain: self._features(self._real(domain)) for domain in "AB"}

    def distance(self, drawn: Image, domain: str) -> float:
        real, features = self.real_features[domain], self._features(drawn)
        if self.kind == "frechet":
            return frechet_distance(real, features)
        return kernel_distance(inner_products(real, features), real.shape[1])

    def _features(self, images: Image) -> Tensor:
        return torch.cat([self.network(self._prepared(few)) for few in images.split(BATCH_SIZE)])

    def _prepared(self, images: Image) -> Tensor:
        pixels = images.cpu().add(1).mul(127.5).round().clamp(0, 255)
        if self.network.facts.resize == "none":
            return pixels
        return F.interpolate(pixels, (INCEPTION_SIDE, INCEPTION_SIDE), mode="bilinear", align_corners=False)


def build_judge(config: RunConfig, scored: Batch, device: torch.device) -> Judge:
    """The judge that the configuration asks for.

    Raises:
        DataError: a feature network that is missing or does not do.
    """
    if config.features is None or config.score == "wasserstein":
        return Judge(scored, device)
    if min(len(side) for side in scored) < 2:
        raise DataError("a score on features needs two test images of each domain: add some, or leave out --features")
    network = load_feature_network(config.features, device=str(device))
    kind = "kernel" if config.score == "auto" else config.score
    judge = FeatureJudge(scored, device, kind, network)
    judge.distance(scored.a[:2], "A")  # before minutes are spent
    return judge
