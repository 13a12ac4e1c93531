"""How many raters and images it takes: studies are simulated, and it is counted how many find the difference.

A rater r chooses the method on image i with probability expit(a + u_r + v_i); u and v are normal, and a makes the mean
over raters and images the share that is assumed. A study finds the difference if its interval, as the report makes it,
lies on the right side of the other share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import root_scalar
from scipy.special import expit
from scipy.stats import t as student

from nicegan.errors import ConfigError
from nicegan.study.intervals import CONFIDENCE, Array, wilson

NUM_NODES = 41  # of the mean over raters and images


class Power(NamedTuple):
    """How often studies of this size find the difference."""

    num_raters: int
    num_images: int
    found: float


class StudyPlan(NamedTuple):
    """The simulated studies, and what is wanted."""

    shares: tuple[float, float]
    power: float
    trials: int | None
    powers: list[Power]

    def smallest(self) -> list[Power]:
        """Return for each number of images the fewest raters that are enough, if any of those tried are."""
        enough: dict[int, Power] = {}
        for one in self.powers:
            before = enough.get(one.num_images)
            if one.found >= self.power and (before is None or one.num_raters < before.num_raters):
                enough[one.num_images] = one
        return list(enough.values())

    def text(self) -> str:
        """Return a table for a terminal, and what it means."""
        raters = sorted({one.num_raters for one in self.powers})
        images = sorted({one.num_images for one in self.powers})
        found = {(one.num_raters, one.num_images): one.found for one in self.powers}
        share, other = (f"{100 * one:g} %" for one in self.shares)
        lines = [f"how often a study tells {share} from {other} (rows: images, columns: raters)"]
        lines.append(f"{'':>8}" + "".join(f"{number:>8}" for number in raters))
        for image in images:
            lines.append(f"{image:>8}" + "".join(f"{100 * found[rater, image]:>6.0f} %" for rater in raters))
        seen = "every image" if self.trials is None else f"{self.trials} images at most"
        lines.append(f"each rater sees {seen}")
        enough = self.smallest()
        if not enough:
            lines.append(f"none of these is enough for {100 * self.power:g} %: try more --raters and --images")
        for one in enough:
            lines.append(f"{one.num_images} images: {one.num_raters} raters are enough for {100 * self.power:g} %")
        return "\n".join(lines) + "\n"


def simulate(  # noqa: PLR0913
    *,
    shares: tuple[float, float],
    raters: Sequence[int],
    images: Sequence[int],
    trials: int | None,
    rater_spread: float,
    image_spread: float,
    power: float,
    simulations: int,
    seed: int,
) -> StudyPlan:
    """Return how often studies of each size find that the first share is not the second.

    Args:
        shares: the true share of votes, and the one it is compared with.
        raters: numbers of raters.
        images: numbers of images.
        trials: images that a rater judges, at most; None for all.
        rater_spread: standard deviation of the raters' preference in logits.
        image_spread: standard deviation of the images' preference in logits.
        power: how often is enough.
        simulations: studies of each size.
        seed: of the simulation.

    Raises:
        ConfigError: shares that are none, or equal; or a single rater or image.
    """
    if not all(0 < share < 1 for share in shares) or shares[0] == shares[1]:
        raise ConfigError("--shares: give two different fractions between 0 and 1, such as 0.40 0.33")
    if min(*raters, *images) < 2 or (trials is not None and trials < 1):
        raise ConfigError("--raters and --images: one of either has no spread; give 2 or more")
    crowd = _Crowd(shares[0], rater_spread, image_spread, np.random.default_rng(seed))
    powers = []
    for num_images in images:
        for num_raters in raters:
            studies = (crowd.study(num_raters, num_images, trials) for _ in range(simulations))
            found = sum(_is_found(won, shown, shares) for won, shown in studies)
            powers.append(Power(num_raters, num_images, found / simulations))
    return StudyPlan(shares, power, trials, powers)


class _Crowd:
    """Raters and images that differ by so much, and choose a method with a known share."""

    def __init__(self, share: float, rater_spread: float, image_spread: float, random: np.random.Generator) -> None:
        self.rater_spread, self.image_spread, self.random = rater_spread, image_spread, random
        self.centre = centre_of(share, math.hypot(rater_spread, image_spread))

    def study(self, num_raters: int, num_images: int, trials: int | None) -> tuple[Array, Array]:
        """Return which images raters chose the method on, and which they saw, (raters, images) each."""
        of_raters = self.rater_spread * self.random.standard_normal((num_raters, 1))
        of_images = self.image_spread * self.random.standard_normal((1, num_images))
        shown = _seen_by(self.random, num_raters, num_images, trials)
        chosen = self.random.random(shown.shape) < expit(self.centre + of_raters + of_images)
        return shown * chosen, shown


def centre_of(share: float, spread: float) -> float:
    """Return the logit around which logits of this standard deviation have probabilities with the mean `share`."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NUM_NODES)
    weights = weights / weights.sum()
    found = root_scalar(lambda centre: expit(centre + spread * nodes) @ weights - share, bracket=(-60, 60))
    return float(found.root)


def _seen_by(random: np.random.Generator, num_raters: int, num_images: int, trials: int | None) -> Array:
    """Return which images each rater judges, (raters, images): balanced, from a random first image on."""
    if trials is None or trials >= num_images:
        return np.ones((num_raters, num_images))
    order = random.permutation(num_images)
    shown = np.zeros((num_raters, num_images))
    for rater in range(num_raters):
        shown[rater, order[(np.arange(trials) + rater * trials) % num_images]] = 1
    return shown


def _is_found(won: Array, shown: Array, shares: tuple[float, float]) -> bool:
    """Return whether the interval of the share lies beyond the other share, on the side of the true one."""
    total = shown.sum()
    share = float(won.sum() / total)
    rest = won - share * shown
    raters, images, votes = ((part**2).sum() / total**2 for part in (rest.sum(1), rest.sum(0), rest))
    variance = max(raters + images - votes, raters, images, votes)
    independent = share * (1 - share) / variance if variance > 0 else float(total)
    fewest = min(won.shape)
    found = wilson(share, independent, float(student.ppf((1 + CONFIDENCE) / 2, fewest - 1)))
    assert found.low is not None
    assert found.high is not None
    return found.low > shares[1] if shares[0] > shares[1] else found.high < shares[1]
