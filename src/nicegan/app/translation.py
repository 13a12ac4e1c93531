"""One request: a picture, a model and a wish become the images that the page shows. Nothing here knows the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil
from typing import Literal, NamedTuple

import numpy as np
import torch

from nicegan.app.pictures import Picture
from nicegan.app.watch import Watch
from nicegan.config import Size, levels_of
from nicegan.data.augment import to_network, to_pixels
from nicegan.data.cache import Pixels
from nicegan.errors import DataError, is_out_of_memory
from nicegan.inference.files import Scaling
from nicegan.inference.memory import refuse_unfit
from nicegan.inference.styles import random_style
from nicegan.inference.translator import Translator
from nicegan.methods.base import HasHeatmap, HasStyles, Style
from nicegan.shapes import OTHER, DomainName
from nicegan.sheets import overlaid

View = Literal["source", "translation", "heatmap", "cycle", "difference"]
StyleChoice = Literal["mean", "random", "example"]
SPAN = 64  # levels of 255: the cycle's difference that has the brightest colour


class Wish(NamedTuple):
    """What somebody wants to have.

    Args:
        to: the domain to translate into; the picture is taken to be of the other one.
        longest: larger pictures are shrunk to this longer side in pixels.
        style: of models with styles: the mean one, a random one by the seed, or that of the example.
        seed: of the random style, which also depends on the picture's bytes, as with `nicegan translate`.
        example: a picture of the domain `to`.
    """

    to: DomainName
    longest: int
    style: StyleChoice = "mean"
    seed: int = 0
    example: Picture | None = None


def translate_views(
    translator: Translator, picture: Picture, wish: Wish, watch: Watch
) -> Iterator[tuple[View, Pixels]]:
    """Return each view as soon as it is there, all (h, w, 3) of one size; a model without heatmap gives none.

    Raises:
        DataError: a picture that does not fit in memory, or no example where its style is wanted.
        StoppedError: the watch was told to stop.
    """
    scaling = _scaling(translator, wish.longest)
    refuse_large(translator, scaling.of(picture.size))
    if translator.tile_for(scaling.of(picture.size)):
        _ = translator.reach  # measured before the layers are counted
    pixels = scaling.scale(picture.read(levels_of(translator.spec.value_range)))
    yield "source", pixels
    home = OTHER[wish.to]
    fake = watched(translator, watch, lambda: translator.translate(pixels, wish.to, _style(translator, picture, wish)))
    yield "translation", fake
    if isinstance(translator.networks, HasHeatmap):
        heat = watched(translator, watch, lambda: translator.heatmap(pixels, home))
        yield "heatmap", _overlay(heat / 255, pixels)
    back = watched(translator, watch, lambda: translator.translate(fake, home, _own_style(translator, pixels, home)))
    yield "cycle", back
    yield "difference", _overlay(differences(back, pixels) / SPAN, pixels)


def differences(one: Pixels, other: Pixels) -> np.ndarray:
    """Return how far two images are apart at each pixel, (h, w), in levels of 255, the mean of the colours."""
    return np.abs(one.astype(np.float32) - other).mean(axis=2)


def watched(translator: Translator, watch: Watch, work: Callable[[], Pixels]) -> Pixels:
    """Return what the work gives, under a watch; memory that does not suffice becomes a DataError."""
    try:
        with watch.over(translator.networks):
            return work()
    except (MemoryError, RuntimeError) as problem:
        if not is_out_of_memory(problem):
            raise
        raise DataError("the picture does not fit in memory: choose a smaller size") from None


class Tiling(NamedTuple):
    """In how many tiles a picture is translated, and their side in pixels; 1 and None as a whole."""

    num_tiles: int = 1
    side: int | None = None


def tiling_of(translator: Translator, picture: Picture, wish: Wish) -> Tiling:
    """Return how a picture will be translated."""
    height, width = size = _scaling(translator, wish.longest).of(picture.size)
    side = translator.tile_for(size)
    return Tiling(ceil(height / side) * ceil(width / side), side) if side else Tiling()


def refuse_large(translator: Translator, size: Size) -> None:
    """Raise DataError, before any work, for a picture that will not fit in memory."""
    for reason in refuse_unfit(translator, [size]).values():
        raise DataError(f"the picture is too large: {reason.replace('--max-side', 'a longest side of')}")


def _scaling(translator: Translator, longest: int) -> Scaling:
    """Return the scaling of a wish; networks that take one size only have that."""
    exact = translator.sizes.exact
    return Scaling(size=exact) if exact else Scaling(longest=longest)


def _style(translator: Translator, picture: Picture, wish: Wish) -> Style | None:
    """Return the style that is wished for; None for the mean one, and for a model without styles."""
    if wish.style == "mean" or not isinstance(translator.networks, HasStyles):
        return None
    if wish.style == "random":
        return random_style(translator, picture.content, seed=wish.seed)
    if wish.example is None:
        raise DataError("there is no example of the style: give one, or choose another style")
    example = _scaling(translator, wish.longest).scale(wish.example.read(levels_of(translator.spec.value_range)))
    return translator.style_of(example, wish.to)


def _own_style(translator: Translator, pixels: Pixels, domain: DomainName) -> Style | None:
    """Return the style that a picture itself has: the way back needs it."""
    return translator.style_of(pixels, domain) if isinstance(translator.networks, HasStyles) else None


def _overlay(heat: np.ndarray, pixels: Pixels) -> Pixels:
    """Return heat (h, w), 0 to 1 and brightest beyond, in colours over the grey image."""
    shown = torch.from_numpy(np.clip(heat, 0, 1).astype(np.float32))[None, None]
    return to_pixels(overlaid(shown, to_network(torch.from_numpy(pixels.copy())[None])))[0].numpy()
