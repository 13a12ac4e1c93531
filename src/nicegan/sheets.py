"""Sheets of images: columns with headers in titled groups, and heat in colours laid over an image."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont
from torch import Tensor

from nicegan.shapes import Image

MARGIN = 4  # pixels
SMALLEST_FONT = 13  # pixels; larger on tiles wider than 12 times that
GROUP_GAP = 4 * MARGIN  # more between two groups
SMALLEST_TILE = 96  # pixels; smaller images are enlarged to this
HEAT_SHARE = 0.7  # of an overlay; the rest is the grey image

Tiles = UInt8[Tensor, "n h w 3"]


class Group(NamedTuple):
    """Columns that belong together; all tiles of a sheet have one size, and row i of every column one subject."""

    title: str
    columns: dict[str, Tiles]


def plot_sheet(groups: Sequence[Group]) -> PILImage.Image:
    """Return the groups side by side, each with its title above the names of its columns."""
    enlarged = [{name: _enlarged(tiles) for name, tiles in group.columns.items()} for group in groups]
    shapes = [tiles.shape for columns in enlarged for tiles in columns.values()]
    height, width = shapes[0][1:3]
    step_x, step_y = width + MARGIN, height + MARGIN
    all_columns = len(shapes) * step_x + (len(groups) - 1) * GROUP_GAP
    font_size = max(SMALLEST_FONT, width // 12)
    font = ImageFont.load_default(size=font_size)
    titles = [_wrapped(group.title, len(group.columns) * step_x, font) for group in groups]
    line = font_size + 3
    name_top = 1 + line * max(map(len, titles))
    header = name_top + line + 1
    size = (all_columns + MARGIN, header + max(count for count, *_ in shapes) * step_y)
    sheet = PILImage.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    left = MARGIN
    for title, columns in zip(titles, enlarged, strict=True):
        for number, words in enumerate(title):
            draw.text((left, 1 + number * line), words, fill="black", font=font)
        for name, tiles in columns.items():
            draw.text((left, name_top), name, fill="#444444", font=font)
            for row, pixels in enumerate(tiles):
                sheet.paste(PILImage.fromarray(pixels), (left, header + row * step_y))
            left += step_x
        left += GROUP_GAP
    return sheet


def stacked(sheets: Sequence[PILImage.Image]) -> PILImage.Image:
    """Sheets below each other."""
    gap = GROUP_GAP
    height = sum(sheet.height for sheet in sheets) + gap * (len(sheets) - 1)
    joined = PILImage.new("RGB", (max(sheet.width for sheet in sheets), height), "white")
    top = 0
    for sheet in sheets:
        joined.paste(sheet, (0, top))
        top += sheet.height + gap
    return joined


def overlaid(heat: Float[Tensor, "n 1 h w"], image: Image, colours: str = "inferno") -> Image:
    """Heat in [0, 1] in the colours of a matplotlib map, laid over the grey image."""
    from matplotlib import colormaps

    rgb = torch.from_numpy(colormaps[colours](heat[:, 0].cpu().numpy())[..., :3]).permute(0, 3, 1, 2).float()
    grey = image.cpu().mean(dim=1, keepdim=True)
    return (HEAT_SHARE * (2 * rgb - 1) + (1 - HEAT_SHARE) * grey).to(image)


def _wrapped(title: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """Return the title in lines that fit into `width` pixels; a long name is broken where it must be."""
    return textwrap.wrap(title, max(1, int(width / font.getlength("n")))) or [""]


def _enlarged(tiles: Tiles) -> NDArray[np.uint8]:
    """Small images by a whole factor, so that a sheet of 64 px images can be looked at."""
    factor = max(1, -(-SMALLEST_TILE // min(tiles.shape[1:3])))
    return tiles.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2).cpu().numpy()
