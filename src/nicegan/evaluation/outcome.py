"""What an evaluation says: scores with intervals, and what a reader must know before comparing them with others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from nicegan.evaluation.appearance import Appearance
from nicegan.evaluation.diversity import Diversity
from nicegan.evaluation.measure import MIN_FOR_INTERVAL, Score
from nicegan.feature_network import NetworkFacts
from nicegan.hints import Hint
from nicegan.metrics.kernel import KernelSubsets

FEW_IMAGES = 50


class SetScores(NamedTuple):
    """One set of fake (or of untranslated) images: its scores by name, and the kernel distance over subsets."""

    name: str
    num_images: int
    scores: dict[str, Score]
    kernel_subsets: KernelSubsets

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "num_images": self.num_images,
            "scores": {name: score._asdict() for name, score in self.scores.items()},
            "kernel_subsets": self.kernel_subsets._asdict(),
        }


class Evaluation(NamedTuple):
    """Every candidate against one set of real images.

    The scores are frechet, kernel, precision, recall, density, coverage and, where there are sources, similarity
    (SSIM). `difference` is the scores of the first set of fakes minus those of the second, where there are two;
    `paired` if both are made of the same sources. `diversity` is that of the models with styles, by name;
    `appearances` that of each set of fakes that could be looked at, and `hints` what looks wrong in them.
    """

    real: str
    num_real: int
    candidates: list[SetScores]
    difference: dict[str, Score]
    paired: bool
    network: NetworkFacts
    num_features: int
    seed: int
    notes: list[str]
    diversity: dict[str, Diversity] = {}
    appearances: dict[str, Appearance] = {}
    hints: Sequence[Hint] = ()

    def renamed(self, names: dict[str, str]) -> Evaluation:
        """Return this evaluation with other names for some candidates: old -> new."""
        candidates = [one._replace(name=names.get(one.name, one.name)) for one in self.candidates]
        diversity = {names.get(name, name): value for name, value in self.diversity.items()}
        appearances = {names.get(name, name): value for name, value in self.appearances.items()}
        hints = [hint._replace(where=names.get(hint.where, hint.where)) for hint in self.hints]
        return self._replace(candidates=candidates, diversity=diversity, appearances=appearances, hints=hints)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        difference = {
            name: {**score._asdict(), "told_apart": not score.holds_zero()} for name, score in self.difference.items()
        }
        return {
            "real": {"name": self.real, "num_images": self.num_real},
            "candidates": [one.as_dict() for one in self.candidates],
            "difference": difference,
            "paired": self.paired,
            "diversity": {name: diversity._asdict() for name, diversity in self.diversity.items()},
            "appearances": {name: appearance.as_dict() for name, appearance in self.appearances.items()},
            "hints": [hint.as_dict() for hint in self.hints],
            "features": {**self.network._asdict(), "num_features": self.num_features},
            "names": {"frechet": self.network.frechet_name(), "kernel": self.network.kernel_name()},
            "seed": self.seed,
            "notes": self.notes,
        }


def count_notes(num_real: int, counts: dict[str, int], num_features: int, facts: NetworkFacts) -> list[str]:
    """Return what the numbers of images forbid to conclude; `counts` are those of the candidates, by name."""
    frechet = facts.frechet_name()
    unequal = [f"{count} ({name})" for name, count in counts.items() if count != num_real]
    smallest = min(num_real, *counts.values())
    notes = []
    if unequal:
        notes.append(
            f"unequal counts: {num_real} real images, {', '.join(unequal)}; {frechet} depends on both counts, so "
            "compare it only with scores at the same ones"
        )
    if smallest < num_features:
        notes.append(
            f"{smallest} images are fewer than the {num_features} features: {frechet} is far above its value for many "
            f"images, so compare it only at equal counts; {facts.kernel_name()} is unbiased"
        )
    if smallest < MIN_FOR_INTERVAL:
        notes.append(f"only {smallest} images: no intervals (they take {MIN_FOR_INTERVAL}), and mostly chance")
    elif smallest < FEW_IMAGES:
        notes.append(f"only {smallest} images: intervals are rough")
    return notes
