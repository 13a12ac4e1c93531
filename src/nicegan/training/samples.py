"""Sample grids: what the networks make of fixed test images, one row an image, both directions side by side."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont
from torch import Tensor

from nicegan.data.augment import to_pixels
from nicegan.methods.base import Batch
from nicegan.models.domain import TranslationPaths, translate
from nicegan.models.encoder import spread_heatmap
from nicegan.shapes import Image, Latent

COLUMNS = ("source", "heatmap", "reconstruction", "translation", "cycle")
MARGIN, HEADER = 4, 34  # pixels
SMALLEST_TILE = 96  # smaller images are enlarged to this


class Views(NamedTuple):
    """One direction's columns, each (n, 3, h, w) in [-1, 1]."""

    source: Image
    heatmap: Image
    reconstruction: Image
    translation: Image
    cycle: Image


@torch.no_grad()
def views(paths: TranslationPaths, source: str, target: str, image: Image) -> Views:
    """What the domains named `source` and `target` make of images of the source."""
    here, there = paths[source], paths[target]
    latent = here.encoder(image)
    translation = there.generator(latent)
    return Views(
        source=image,
        heatmap=coloured(latent, image),
        reconstruction=here.generator(latent),
        translation=translation,
        cycle=here.generator(there.encoder(translation)),
    )


@torch.no_grad()
def translated(paths: TranslationPaths, source: str, target: str, images: Image, device: torch.device) -> Image:
    """Many images, translated a few at a time on `device`; the result is on the CPU."""
    return torch.cat([translate(few.to(device), paths[source], paths[target]).cpu() for few in images.split(8)])


def coloured(latent: Latent, image: Image) -> Image:
    """The latent's heatmap in colours, laid over the grey image."""
    from matplotlib import colormaps

    heat = spread_heatmap(latent, (image.shape[2], image.shape[3]))[:, 0]
    rgb = torch.from_numpy(colormaps["inferno"](heat.cpu().numpy())[..., :3]).permute(0, 3, 1, 2).float()
    grey = image.cpu().mean(dim=1, keepdim=True)
    return (0.7 * (2 * rgb - 1) + 0.3 * grey).to(image)


def draw_grid(paths: TranslationPaths, samples: Batch) -> PILImage.Image:
    """The grid of both directions, with a header that names the columns."""
    count = min(len(samples.a), len(samples.b))
    halves = [("A", "B", samples.a[:count]), ("B", "A", samples.b[:count])]
    tiles = [
        _enlarged(to_pixels(view)) for source, target, image in halves for view in views(paths, source, target, image)
    ]
    height, width = tiles[0].shape[1:3]
    step_x, step_y = width + MARGIN, height + MARGIN
    gap = 4 * MARGIN  # between the two directions
    sheet = PILImage.new("RGB", (10 * step_x + gap + MARGIN, HEADER + count * step_y), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=13)
    for column, tile in enumerate(tiles):
        left = MARGIN + column * step_x + (gap if column >= len(COLUMNS) else 0)
        draw.text((left, 17), COLUMNS[column % len(COLUMNS)], fill="#444444", font=font)
        for row, pixels in enumerate(tile):
            sheet.paste(PILImage.fromarray(pixels), (left, HEADER + row * step_y))
    draw.text((MARGIN, 1), "A to B", fill="black", font=font)
    draw.text((MARGIN + len(COLUMNS) * step_x + gap, 1), "B to A", fill="black", font=font)
    return sheet


def _enlarged(pixels: Tensor) -> NDArray[np.uint8]:
    """Small images by a whole factor, so that a grid of 64 px images can be looked at."""
    factor = max(1, -(-SMALLEST_TILE // min(pixels.shape[1:3])))
    return pixels.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2).cpu().numpy()


def save_grid(path: Path, paths: TranslationPaths, samples: Batch) -> None:
    """Draw the grid and write it as a PNG."""
    path.parent.mkdir(exist_ok=True)
    draw_grid(paths, samples).save(path)
