"""Procedural landscapes by day and by night: an unpaired dataset whose true counterparts are known.

A scene is a layout; day and night are two ways to paint it. Training sets of A (day) and B (night) use different
layouts, so no pair exists to learn from; for test scenes the other painting is the truth a translation is held to.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
OVERSAMPLING = 4  # scenes are painted this much larger, then averaged down


class Palette(NamedTuple):
    """One way to paint a scene."""

    zenith: Colour
    horizon: Colour
    orb: Colour  # sun or moon
    far_hills: Colour
    near_hills: Colour
    wall: Colour
    roof: Colour
    window: Colour
    tree: Colour


DAY = Palette(
    zenith=(88, 152, 232),
    horizon=(206, 228, 246),
    orb=(255, 226, 92),
    far_hills=(122, 168, 138),
    near_hills=(92, 166, 66),
    wall=(236, 214, 178),
    roof=(184, 78, 58),
    window=(74, 84, 108),
    tree=(38, 102, 50),
)
NIGHT = Palette(
    zenith=(8, 10, 38),
    horizon=(48, 44, 96),
    orb=(232, 236, 248),
    far_hills=(28, 34, 66),
    near_hills=(18, 44, 42),
    wall=(66, 60, 78),
    roof=(42, 22, 36),
    window=(255, 208, 96),
    tree=(4, 12, 18),
)


class House(NamedTuple):
    """Left and bottom, width and height, as fractions of the image's side."""

    left: float
    bottom: float
    width: float
    height: float


class Layout(NamedTuple):
    """Where everything stands, as fractions of the image's side; ridges are heights at regular distances."""

    orb: tuple[float, float, float]  # x, y, radius
    far_ridge: tuple[float, ...]
    near_ridge: tuple[float, ...]
    houses: tuple[House, ...]
    trees: tuple[tuple[float, float, float], ...]  # x, bottom, height


class DemoData(NamedTuple):
    """Folders of the demo: a dataset as `nicegan train` takes it, and the true counterparts of its test scenes."""

    dataset: Path
    truth_of_a: Path  # test scenes of A, painted as B
    truth_of_b: Path


def draw_layout(random: np.random.Generator) -> Layout:
    """Return a new arrangement of hills, houses and trees."""
    columns = random.permutation(5)
    num_houses, num_trees = random.integers(1, 4), random.integers(1, 3)
    near = _ridge(random, base=random.uniform(0.6, 0.72), relief=0.05)
    house_columns, tree_columns = columns[:num_houses], columns[num_houses : num_houses + num_trees]
    houses = [
        House(
            left=0.2 * column + random.uniform(0.0, 0.04),
            bottom=random.uniform(0.78, 0.94),
            width=random.uniform(0.14, 0.19),
            height=random.uniform(0.12, 0.2),
        )
        for column in house_columns
    ]
    trees = [
        (0.2 * column + random.uniform(0.06, 0.12), random.uniform(0.78, 0.94), random.uniform(0.2, 0.32))
        for column in tree_columns
    ]
    return Layout(
        orb=(random.uniform(0.1, 0.9), random.uniform(0.1, 0.28), random.uniform(0.05, 0.08)),
        far_ridge=_ridge(random, base=random.uniform(0.45, 0.56), relief=0.08),
        near_ridge=near,
        houses=tuple(houses),
        trees=tuple(trees),
    )


def _ridge(random: np.random.Generator, base: float, relief: float) -> tuple[float, ...]:
    """Return a smooth skyline: a few waves of random phase."""
    x = np.linspace(0, 1, 33)
    waves = [random.uniform(0.3, 1) / k * np.sin(2 * np.pi * (k * x + random.random())) for k in (1, 2, 3)]
    return tuple((base + relief * np.sum(waves, axis=0) / 1.5).tolist())


def paint(layout: Layout, palette: Palette, side: int) -> Image.Image:
    """Return the scene as an RGB image of side x side pixels."""
    canvas = side * OVERSAMPLING
    image = _sky(palette, canvas)
    draw = ImageDraw.Draw(image)
    x, y, radius = (canvas * value for value in layout.orb)
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=palette.orb)
    for ridge, colour in ((layout.far_ridge, palette.far_hills), (layout.near_ridge, palette.near_hills)):
        skyline = [(canvas * i / (len(ridge) - 1), canvas * height) for i, height in enumerate(ridge)]
        draw.polygon([*skyline, (canvas, canvas), (0, canvas)], fill=colour)
    for tree in layout.trees:
        _paint_tree(draw, tree, palette, canvas)
    for house in layout.houses:
        _paint_house(draw, house, palette, canvas)
    return image.resize((side, side), Image.Resampling.BOX)


def _sky(palette: Palette, canvas: int) -> Image.Image:
    height = np.linspace(0, 1, canvas)[:, None, None]
    sky = (1 - height) * np.array(palette.zenith) + height * np.array(palette.horizon)
    return Image.fromarray(np.broadcast_to(sky, (canvas, canvas, 3)).astype(np.uint8))


def _paint_tree(draw: ImageDraw.ImageDraw, tree: tuple[float, float, float], palette: Palette, canvas: int) -> None:
    x, bottom, height = (canvas * value for value in tree)
    draw.polygon([(x, bottom - height), (x - height / 3, bottom), (x + height / 3, bottom)], fill=palette.tree)


def _paint_house(draw: ImageDraw.ImageDraw, house: House, palette: Palette, canvas: int) -> None:
    left, bottom, width, height = (canvas * value for value in house)
    top, right = bottom - height, left + width
    draw.rectangle([left, top, right, bottom], fill=palette.wall)
    eaves = width / 8
    draw.polygon([(left - eaves, top), (right + eaves, top), (left + width / 2, top - 0.6 * width)], fill=palette.roof)
    pane = width / 4
    for column in (0.5, 2.5):
        x, y = left + column * pane, top + 0.3 * height
        draw.rectangle([x, y, x + pane, y + 1.2 * pane], fill=palette.window)


def write_demo_data(folder: Path, *, seed: int, side: int, num_train: int, num_test: int) -> DemoData:
    """Paint the demo's images: every set has layouts of its own, test sets also come as the other domain."""
    random = np.random.default_rng(seed)
    demo = DemoData(folder / "dataset", folder / "truth" / "A_as_B", folder / "truth" / "B_as_A")
    for letter, own, other, truth in (("A", DAY, NIGHT, demo.truth_of_a), ("B", NIGHT, DAY, demo.truth_of_b)):
        for split, count in (("train", num_train), ("test", num_test)):
            layouts = [draw_layout(random) for _ in range(count)]
            _write(demo.dataset / f"{split}{letter}", layouts, own, side)
            if split == "test":
                _write(truth, layouts, other, side)
    return demo


def _write(folder: Path, layouts: list[Layout], palette: Palette, side: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, layout in enumerate(layouts):
        paint(layout, palette, side).save(folder / f"scene_{number:04d}.png")
