"""How translations look at first glance, measured, and the hints that follow. The bounds are measured: docs/LOG.md."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

from nicegan.config import MethodConfig
from nicegan.hints import OF_IMAGES, Findings, Hint, Symptom, advice
from nicegan.metrics.likeness import chance_correlation, change, correlation, spread
from nicegan.metrics.pattern import SMALLEST_SIDE, pattern_score
from nicegan.metrics.wasserstein import sliced_wasserstein

MIN_IMAGES = 16  # of each set: two sets of 16 real images had pattern scores up to 1.55, two of 8 up to 1.96
MUCH_PATTERN = 2.0
NEGATIVE = -0.5  # correlation with the input from which a translation is its negative
LITTLE_CHANGE = 0.25  # of the distance between a source and a real image of the target
NO_NEARER = 0.9  # of the distance that untranslated images have from the target
LITTLE_SPREAD = 0.25  # of the distance of two images
OTHERS: tuple[Symptom, ...] = tuple(name for name in OF_IMAGES if name != "alike")  # compare with details and contrast
SOME_SPREAD = 1e-3  # of images that are not all one and the same

Images = Float[Tensor, "_ 3 _ _"]


class Distances(NamedTuple):
    """Sliced Wasserstein distances from real images: of translations, and of their inputs as they are."""

    of_fakes: float
    untranslated: float


class Appearance(NamedTuple):
    """Measurements of one set of translations; None is what could not be measured.

    `pattern` is the pattern score. `correlation` is that with the inputs, `chance` that of inputs with real images.
    `change` is the distance from the inputs, over that of inputs from real images; `distances` are measured where it
    is small. `spread` is the distance of two translations, over that of two real images or two inputs, whichever is
    less.
    """

    num_images: int
    pattern: float | None
    correlation: float | None
    chance: float | None
    change: float | None
    distances: Distances | None
    spread: float | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**self._asdict(), "distances": self.distances and self.distances._asdict()}

    def findings(self, where: str, method: MethodConfig | None) -> Findings:
        """Return the hints that the measurements give, with advice for a method."""
        if words := self._alike():
            hint = Hint("alike", where, words, advice("alike", method))
            return Findings((hint,), ("alike",), ((OTHERS, f"{where}: it takes translations that are not all alike"),))
        seen: dict[Symptom, str | None] = {
            "pattern": self._pattern(),
            "inverted": self._inverted(),
            "unchanged": self._unchanged(),
        }
        has = {"alike": self.spread, "pattern": self.pattern, "inverted": self.correlation, "unchanged": self.change}
        hints = tuple(Hint(name, where, words, advice(name, method)) for name, words in seen.items() if words)
        missing: tuple[Symptom, ...] = tuple(name for name in OF_IMAGES if has[name] is None)
        unmeasured = ((missing, f"{where}: images that are too small, without contrast or without their inputs"),)
        measured: tuple[Symptom, ...] = tuple(name for name in OF_IMAGES if name not in missing)
        return Findings(hints, measured, unmeasured if missing else ())

    def _pattern(self) -> str | None:
        if self.pattern is None or self.pattern < MUCH_PATTERN:
            return None
        return f"pattern score {self.pattern:.2f}, and 1.00 is none"

    def _inverted(self) -> str | None:
        if self.correlation is None or self.chance is None:
            return None
        if self.correlation > min(NEGATIVE, self.chance + NEGATIVE):
            return None
        return f"translation and input correlate by {self.correlation:.2f}, and -1 is a negative"

    def _unchanged(self) -> str | None:
        if self.change is None or self.distances is None or self.change > LITTLE_CHANGE:
            return None
        fakes, untranslated = self.distances
        if fakes < NO_NEARER * untranslated:
            return None
        return (
            f"{100 * self.change:.0f} % of the way from an input to a real image, and the sliced Wasserstein distance "
            f"is {fakes:.3g}, {untranslated:.3g} without translation"
        )

    def _alike(self) -> str | None:
        if self.spread is None or self.spread > LITTLE_SPREAD:
            return None
        return f"two translations are {100 * self.spread:.0f} % as far apart as two inputs or two real images"


def measure_appearance(fake: Images, real: Images, source: Images | None) -> Appearance | None:
    """Return how translations look; None where there are too few images of a set.

    Args:
        fake, real: translations and real images of the target, of one size.
        source: what each translation was made of, where that is known.
    """
    if min(len(fake), len(real)) < MIN_IMAGES:
        return None
    changed = None if source is None else change(fake, source, real)
    return Appearance(
        num_images=len(fake),
        pattern=_pattern(fake, real),
        correlation=None if source is None else correlation(fake, source),
        chance=None if source is None else chance_correlation(source, real),
        change=changed,
        distances=_distances(fake, real, source) if changed is not None and changed <= LITTLE_CHANGE else None,
        spread=_spread(fake, real if source is None else min(real, source, key=spread)),
    )


def _pattern(fake: Images, real: Images) -> float | None:
    """Return the pattern score; None for images that are too small, or flat."""
    if min(fake.shape[2:]) < SMALLEST_SIDE:
        return None
    score = pattern_score(fake, real)
    return score if math.isfinite(score) else None


def _spread(fake: Images, others: Images) -> float | None:
    """Return the spread of fakes over that of other images; None if these are all alike."""
    among_others = spread(others)
    return None if among_others < SOME_SPREAD else spread(fake) / among_others


def _distances(fake: Images, real: Images, source: Images | None) -> Distances | None:
    return None if source is None else Distances(sliced_wasserstein(fake, real), sliced_wasserstein(source, real))
