"""The score that chooses the best checkpoint: one number for fixed test images, of which less is better."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nicegan.errors import DataError
from nicegan.feature_network import INCEPTION_SIDE, FeatureNetwork, load_feature_network
from nicegan.methods.base import TranslationModel
from nicegan.metrics.frechet import frechet_distance
from nicegan.metrics.kernel import kernel_distance
from nicegan.metrics.products import inner_products
from nicegan.metrics.wasserstein import sliced_wasserstein
from nicegan.run_config import RunConfig
from nicegan.shapes import OTHER, Batch, DomainName, Image
from nicegan.training.samples import translated

BATCH_SIZE = 16  # images that a feature network looks at together


class Yardstick(NamedTuple):
    """What is measured: the name in the metrics, and in words."""

    name: str
    words: str


class CheckpointScore:
    """The distance of translated from real images, mean of both directions.

    Args:
        scored: the fixed images, in [-1, 1].
        device: where to translate.
    """

    yardstick = Yardstick("sliced_wasserstein", "sliced Wasserstein distance")
    identity = "sliced_wasserstein"  # of what is measured, wherever the feature network's file lies

    def __init__(self, scored: Batch, device: torch.device) -> None:
        self.scored, self.device = scored, device

    def score(self, networks: TranslationModel) -> float:
        """Return the distance of both translated sets from the real ones, the mean of both directions."""
        return self._mean(lambda source, target: translated(networks, target, self._real(source), self.device))

    @cached_property
    def untranslated(self) -> float:
        """The score of leaving every image as it is."""
        return self._mean(lambda source, target: self._real(source))

    def distance(self, fake: Image, domain: DomainName) -> float:
        """Return the distance of fakes of `domain` from its real images."""
        return sliced_wasserstein(fake, self._real(domain))

    def _mean(self, made: Callable[[DomainName, DomainName], Image]) -> float:
        """Return the mean distance over both directions of the images that `made` makes of a source for a target."""
        return sum(self.distance(made(OTHER[target], target), target) for target in OTHER.values()) / len(OTHER)

    def _real(self, domain: DomainName) -> Image:
        return self.scored.a if domain == "A" else self.scored.b


class FeatureScore(CheckpointScore):
    """The distance of translated from real images between their features, mean of both directions.

    Args:
        kind: "kernel" or "frechet".
        network: whose features.
    """

    def __init__(self, scored: Batch, device: torch.device, kind: str, network: FeatureNetwork) -> None:
        super().__init__(scored, device)
        self.kind, self.network = kind, network
        facts = network.facts
        short = facts.kernel_name() if kind == "kernel" else facts.frechet_name()
        self.identity = f"{kind} {facts.sha256} {facts.resize}"
        self.yardstick = Yardstick(f"{kind}_distance", short if facts.is_inception else f"{short} on {facts.name}")

    @cached_property
    def real_features(self) -> dict[DomainName, Tensor]:
        """Features of the real images of both domains; they never change."""
        return {domain: self._features(self._real(domain)) for domain in OTHER.values()}

    def distance(self, fake: Image, domain: DomainName) -> float:
        real, features = self.real_features[domain], self._features(fake)
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


def build_checkpoint_score(config: RunConfig, scored: Batch, device: torch.device) -> CheckpointScore:
    """Return the score that the configuration asks for.

    Raises:
        DataError: a feature network that is missing or unsuitable.
    """
    if config.features is None or config.score == "wasserstein":
        return CheckpointScore(scored, device)
    if min(len(side) for side in scored) < 2:
        raise DataError("a score on features needs two test images of each domain: add some, or leave out --features")
    network = load_feature_network(config.features, device=str(device))
    kind = "kernel" if config.score == "auto" else config.score
    score = FeatureScore(scored, device, kind, network)
    score.distance(scored.a[:2], "A")  # before minutes are spent
    return score
