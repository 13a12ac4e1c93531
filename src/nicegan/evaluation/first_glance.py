"""The appearance of the translations that an evaluation scores, and its hints, from a few of the image files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from nicegan.config import Levels, MethodConfig, Size
from nicegan.data.augment import to_network
from nicegan.data.cache import scaled
from nicegan.data.folders import evenly_chosen, read_image, without_image_warnings
from nicegan.evaluation.appearance import MIN_IMAGES, Appearance, Images, measure_appearance
from nicegan.evaluation.image_set import ImageSet
from nicegan.evaluation.outcome import Evaluation

NUM_LOOKED_AT = 64  # images of a set
MOST_PIXELS = 32 << 18  # of a set: 32 images of 512 pixels a side


def add_appearance(
    found: Evaluation,
    real: ImageSet,
    fakes: Sequence[ImageSet],
    source: ImageSet | None,
    methods: Mapping[str, MethodConfig] = MappingProxyType({}),
) -> Evaluation:
    """Return the evaluation with the appearance of each set of translations, and the hints that follow.

    Images of several sizes are left out where no size is asked for: scaling would change their patterns.

    Args:
        methods: of the models among the fakes, by name; advice names their settings.
    """
    read = partial(_read, size=found.network.size, levels=found.network.levels)
    reals = read(real.by_contents()[0].paths)
    appearances = {}
    for fake in fakes:
        ordered = fake.by_contents()[0]
        images = [read(ordered.paths), reals, *([read(ordered.partners(source))] if source else [])]
        if (appearance := _appearance(images)) is not None:
            appearances[fake.name] = appearance
    hints = [hint for name, one in appearances.items() for hint in one.findings(name, methods.get(name)).hints]
    return found._replace(appearances=appearances, hints=hints)


def _appearance(images: Sequence[Images | None]) -> Appearance | None:
    """Return the appearance of fakes, reals and sources if all are of one size."""
    whole = [some for some in images if some is not None]
    if len(whole) < len(images) or len({some.shape[2:] for some in whole}) > 1:
        return None
    fake, real, *source = whole
    return measure_appearance(fake, real, source[0] if source else None)


def _read(paths: Sequence[Path], size: Size | None, levels: Levels) -> Images | None:
    """Return some of the images at this size, or at their own; None if these are several, or too large for many."""
    with without_image_warnings():
        width, height = (size[1], size[0]) if size else read_image(paths[0], levels).size
        count = min(NUM_LOOKED_AT, MOST_PIXELS // (width * height))
        if count < MIN_IMAGES:
            return None
        images = [read_image(path, levels) for path in evenly_chosen(paths, count)]
    if size is None and any(image.size != (width, height) for image in images):
        return None
    return to_network(torch.from_numpy(np.stack([scaled(image, (height, width)) for image in images])))
