"""Translating an image in tiles, with the result of the whole: memory for large images, without seams.

Two things tie distant pixels together. Convolutions reach some pixels far: each tile is read with a margin of their
reach around it, which is measured (`reach_of`). Statistics (`nicegan.nn.statistics`) span the whole image: wherever the
networks ask for one, a tile gives that of its own pixels and waits until all tiles have; then all go on with the
statistic of the whole. So each tile is computed once, and one tile at a time is in memory; what the others hold is
put aside (`nicegan.inference.aside`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nicegan.config import Size
from nicegan.device import return_freed_memory
from nicegan.inference.aside import Aside, Held
from nicegan.inference.turns import Turns
from nicegan.nn.statistics import Map, Moments, PerChannel, Statistics, answered_by

Networks = Callable[[Tensor], Tensor]
FIRST_PROBE, LARGEST_PROBE = 192, 6144  # sides in pixels


class Span(NamedTuple):
    """A tile along one axis, in pixels of the image: its own ones, and those that are read."""

    begin: int
    end: int
    read_begin: int
    read_end: int

    def own(self, length: int) -> slice:
        """Return where, along a map of this length of what is read, the tile's own part lies."""
        pixels = self.read_end - self.read_begin
        return slice(*((at - self.read_begin) * length // pixels for at in (self.begin, self.end)))


def spans(length: int, side: int, margin: int) -> list[Span]:
    """Return the tiles along one axis, `side` long but for the last, each read with a margin where there is more."""
    return [
        Span(begin, end, max(0, begin - margin), min(length, end + margin))
        for begin in range(0, length, side)
        for end in [min(length, begin + side)]
    ]


class Tile(NamedTuple):
    """A tile of an image of the size `whole`."""

    rows: Span
    columns: Span
    whole: Size

    def read(self, image: Map) -> Map:
        """Return the pixels that the tile needs."""
        rows, columns = self.rows, self.columns
        return image[:, :, rows.read_begin : rows.read_end, columns.read_begin : columns.read_end].clone(
            memory_format=torch.contiguous_format
        )

    def own(self, x: Map) -> Map:
        """Return the tile's own part of a map made from what was read."""
        return x[:, :, self.rows.own(x.shape[2]), self.columns.own(x.shape[3])]

    def write(self, x: Map, image: Map) -> None:
        """Write the tile's own part into the image."""
        image[:, :, self.rows.begin : self.rows.end, self.columns.begin : self.columns.end] = self.own(x)

    def pixels_of_whole(self, x: Map) -> int:
        """Return how many pixels the whole image's map has, of which x is what belongs to the tile."""
        (height, width), rows, columns = self.whole, self.rows, self.columns
        return (height * x.shape[2] // (rows.read_end - rows.read_begin)) * (
            width * x.shape[3] // (columns.read_end - columns.read_begin)
        )


class Part(NamedTuple):
    """A statistic of one tile's own pixels: so many, and the numbers of each channel."""

    num_pixels: int
    numbers: tuple[PerChannel, ...]


Merge = Callable[[Sequence[Part]], Any]


class OfTile(Statistics):
    """The statistics of the whole image, asked for by a tile: it gives its part, and waits for the others'."""

    def __init__(self, tile: Tile, ask: Callable[[tuple[Part, Merge]], Any]) -> None:
        self.tile, self.ask = tile, ask

    def num_pixels(self, x: Map) -> int:
        return self.tile.pixels_of_whole(x)

    def mean(self, x: Map) -> PerChannel:
        return self._of_whole(x, (super().mean(self.tile.own(x)),), mean_of_all)

    def largest(self, x: Map) -> PerChannel:
        return self._of_whole(x, (super().largest(self.tile.own(x)),), largest_of_all)

    def moments(self, x: Map) -> Moments:
        return self._of_whole(x, super().moments(self.tile.own(x)), moments_of_all)

    def _of_whole(self, x: Map, numbers: tuple[PerChannel, ...], merge: Merge) -> Any:
        return self.ask((Part(super().num_pixels(self.tile.own(x)), numbers), merge))


def stacked(parts: Sequence[Part]) -> tuple[Tensor, list[Tensor]]:
    """Return the pixels of each part, (parts, 1, 1), and its numbers, (parts, n, c) each, in double precision."""
    numbers = [torch.stack(some).double() for some in zip(*(part.numbers for part in parts), strict=True)]
    return torch.tensor([part.num_pixels for part in parts]).to(numbers[0])[:, None, None], numbers


def mean_of_all(parts: Sequence[Part]) -> PerChannel:
    """Return the mean over the pixels of all parts."""
    counts, (means,) = stacked(parts)
    return ((means * counts).sum(dim=0) / counts.sum()).to(parts[0].numbers[0].dtype)


def largest_of_all(parts: Sequence[Part]) -> PerChannel:
    """Return the largest value of all parts."""
    return torch.stack([part.numbers[0] for part in parts]).amax(dim=0)


def moments_of_all(parts: Sequence[Part]) -> Moments:
    """Return mean and unbiased variance over the pixels of all parts, by the law of total variance."""
    counts, (means, variances) = stacked(parts)
    mean = (means * counts).sum(dim=0) / counts.sum()
    squares = (variances * (counts - 1) + (means - mean).square() * counts).sum(dim=0)
    variance = squares / (counts.sum() - 1).clamp_min(1)
    kind = parts[0].numbers[0].dtype
    return Moments(mean.to(kind), variance.to(kind))


def translate_tiles(networks: Networks, image: Map, side: int, margin: int) -> Map:
    """Return what networks make of an image, computed in tiles.

    Args:
        networks: images (n, 3, h, w) -> maps (n, c, h, w), as local as `margin` but for statistics.
        image: (n, 3, h, w); its sides, `side` and `margin` are multiples of the networks' unit.
        side: of a tile without its margin, in pixels.
        margin: pixels that are read around a tile.
    """
    return_freed_memory()
    height, width = image.shape[2:]
    tiles = [
        Tile(rows, columns, (height, width))
        for rows in spans(height, side, margin)
        for columns in spans(width, side, margin)
    ]
    return _Lockstep(networks, image, tiles).run()


class _Lockstep:
    """Tiles that go on from statistic to statistic together, one at a time."""

    def __init__(self, networks: Networks, image: Map, tiles: Sequence[Tile]) -> None:
        self.networks, self.image, self.tiles = networks, image, tiles
        self.out: Tensor | None = None
        self.aside = Aside()

    def run(self) -> Map:
        """Return the networks' output for the whole image."""
        turns = [Turns(partial(self._translate, tile)) for tile in self.tiles]
        answer = None
        try:
            while given := [part for part in [one.resume(answer) for one in turns] if part]:
                answer = given[0][1]([part for part, _ in given])
        finally:
            for one in turns:
                one.end()
            self.aside.close()
        assert self.out is not None
        return self.out

    def _translate(self, tile: Tile, ask: Callable[[tuple[Part, Merge]], Any]) -> None:
        def ask_without_memory(question: tuple[Part, Merge]) -> Any:
            with self.aside.without(held):
                return ask(question)

        with Held() as held, answered_by(OfTile(tile, ask_without_memory)):
            made = self.networks(tile.read(self.image))
        if self.out is None:
            self.out = made.new_empty(*made.shape[:2], *tile.whole)
        tile.write(made, self.out)


class _Recorded(Statistics):
    """Statistics as they were when a clean image was read."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.again: Iterator[Any] | None = None

    def _answer(self, found: Callable[[], Any]) -> Any:
        if self.again is not None:
            return next(self.again)
        self.answers.append(found())
        return self.answers[-1]

    def mean(self, x: Map) -> PerChannel:
        return self._answer(lambda: Statistics.mean(self, x))

    def largest(self, x: Map) -> PerChannel:
        return self._answer(lambda: Statistics.largest(self, x))

    def moments(self, x: Map) -> Moments:
        return self._answer(lambda: Statistics.moments(self, x))


def reach_of(networks: Networks, unit: int, like: Tensor) -> int:
    """Return how many pixels far networks reach but for statistics, rounded up to a multiple of `unit`.

    A block of one image is not a number; whatever becomes none either, while all statistics stay those of the clean
    image, depends on it.

    Args:
        networks: images (1, 3, h, w) -> maps (1, c, h, w).
        unit: pixels; images with sides of its multiples are taken.
        like: a tensor of the kind and on the device to compute with.
    """
    side = -(-FIRST_PROBE // unit) * unit
    while side <= LARGEST_PROBE:
        first = side // unit // 2 * unit
        image = torch.linspace(-1, 1, 3 * side * side, dtype=like.dtype, device=like.device).view(1, 3, side, side)
        recorded = _Recorded()
        with answered_by(recorded):
            networks(image)
            recorded.again = iter(recorded.answers)
            image[:, :, first : first + unit, first : first + unit] = torch.nan
            touched = networks(image).isnan().flatten(0, 1).any(dim=0)
        rows, columns = (touched.any(dim=dim).nonzero().flatten() for dim in (1, 0))
        reach = max(max(first - int(at.min()), int(at.max()) - first - unit + 1) for at in (rows, columns))
        if reach < first - unit:
            return -(-reach // unit) * unit
        side *= 2
    raise RuntimeError("the networks reach too far for tiles")
