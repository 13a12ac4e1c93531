"""How good the averaged networks are: one number for fixed test images, of which less is better."""

from __future__ import annotations

from functools import cached_property

import torch

from nicegan.methods.base import Batch
from nicegan.metrics.wasserstein import sliced_wasserstein
from nicegan.models.domain import TranslationPaths
from nicegan.shapes import Image
from nicegan.training.samples import translated


class Judge:
    """Sliced Wasserstein distance of translated from real images, mean of both directions.

    Args:
        scored: the fixed images, in [-1, 1].
        device: where to translate.
    """

    name = "sliced_wasserstein"
    words = "sliced Wasserstein distance"

    def __init__(self, scored: Batch, device: torch.device) -> None:
        self.scored, self.device = scored, device

    @cached_property
    def untranslated(self) -> float:
        """The score of leaving every image as it is."""
        return mean_distance(*self.scored, *self.scored)

    def score(self, average: TranslationPaths) -> float:
        """Of both translated sets from the real ones."""
        a, b = self.scored
        fake_b = translated(average, "A", "B", a, self.device)
        fake_a = translated(average, "B", "A", b, self.device)
        return mean_distance(fake_b, fake_a, a, b)


def mean_distance(drawn_b: Image, drawn_a: Image, a: Image, b: Image) -> float:
    """The sliced Wasserstein distance of drawn from real images, mean of both domains."""
    return (sliced_wasserstein(drawn_b, b) + sliced_wasserstein(drawn_a, a)) / 2
