"""Over-fitting: from the best to the last checkpoint, training images get better and test images worse."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nicegan.hints import Findings, Hint, Symptom, advice
from nicegan.metrics.bootstrap import interval
from nicegan.metrics.wasserstein import sliced_wasserstein
from nicegan.model_file import read_spec
from nicegan.report.distances import Distance
from nicegan.report.translations import Translations
from nicegan.shapes import OTHER

SYMPTOM: Symptom = "over-fitting"
LEAST_CHANGE = 0.05  # of the best checkpoint's distance, up on test images and down on training images


def fit_findings(translations: Translations) -> Findings:
    """Return whether the run over-fits: sliced Wasserstein distances, the mean of both directions.

    The best checkpoint was chosen on these test images, so the last one is worse there by chance alone. A hint takes a
    difference beyond its 95 % interval, and training images that go the other way.

    Raises:
        DataError: the images are gone or cannot be read.
    """
    if not translations.has_test_images:
        return _unmeasured("the run has no test images")
    if "best" not in translations.models:
        return _unmeasured("no checkpoint has a score yet")
    if "last" not in translations.models:  # the last one is the best on test images: they do not get worse
        return Findings(measured=(SYMPTOM,))
    test_best, test_last = (_mean(translations.distances[name]) for name in ("best", "last"))
    if test_best.of_halves is None or test_last.of_halves is None:
        return _unmeasured("too few test images for an interval")
    rise = test_last.value - test_best.value
    reach = interval(rise, test_last.of_halves - test_best.of_halves).reach
    if rise <= max(reach, LEAST_CHANGE * test_best.value):
        return Findings(measured=(SYMPTOM,))
    best, last = (_training_distance(translations, name) for name in ("best", "last"))
    if best - last <= LEAST_CHANGE * best:
        return Findings(measured=(SYMPTOM,))
    steps = [read_spec(translations.models[name]).step for name in ("best", "last")]
    words = (
        f"the sliced Wasserstein distance of test images went from {test_best.value:.3g} to {test_last.value:.3g} "
        f"(± {reach:.2g}), that of training images from {best:.3g} to {last:.3g}"
    )
    where = f"from step {steps[0]:,} to {steps[1]:,}"
    hint = Hint(SYMPTOM, where, words, advice(SYMPTOM, translations.config.method))
    return Findings((hint,), (SYMPTOM,))


def _mean(distances: Sequence[Distance]) -> Distance:
    """Return the mean over directions."""
    of_halves = [one.of_halves for one in distances if one.of_halves is not None]
    value = sum(one.value for one in distances) / len(distances)
    return Distance(value, torch.stack(of_halves).mean(0) if len(of_halves) == len(distances) else None)


def _training_distance(translations: Translations, name: str) -> float:
    """Return the mean distance of a model's translations of training images over both directions."""
    real, fakes = translations.of_training
    return sum(sliced_wasserstein(fakes[name][target], real[target]) for target in OTHER.values()) / len(OTHER)


def _unmeasured(reason: str) -> Findings:
    return Findings(unmeasured=(((SYMPTOM,), reason),))
