"""Sample grids: what the networks make of fixed test images, one row an image, both directions side by side."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image as PILImage

from nicegan.data.augment import to_pixels
from nicegan.methods.base import Batch
from nicegan.models.domain import TranslationPaths, translate
from nicegan.models.encoder import spread_heatmap
from nicegan.shapes import Image
from nicegan.sheets import Group, draw_sheet, overlaid


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
        heatmap=overlaid(spread_heatmap(latent, (image.shape[2], image.shape[3])), image),
        reconstruction=here.generator(latent),
        translation=translation,
        cycle=here.generator(there.encoder(translation)),
    )


@torch.no_grad()
def translated(paths: TranslationPaths, source: str, target: str, images: Image, device: torch.device) -> Image:
    """Many images, translated a few at a time on `device`; the result is on the CPU."""
    return torch.cat([translate(few.to(device), paths[source], paths[target]).cpu() for few in images.split(8)])


def draw_grid(paths: TranslationPaths, samples: Batch) -> PILImage.Image:
    """The grid of both directions, with a header that names the columns."""
    count = min(len(samples.a), len(samples.b))
    halves = [("A", "B", samples.a[:count]), ("B", "A", samples.b[:count])]
    groups = []
    for source, target, image in halves:
        columns = views(paths, source, target, image)._asdict()
        groups.append(Group(f"{source} to {target}", {name: to_pixels(view) for name, view in columns.items()}))
    return draw_sheet(groups)


def save_grid(path: Path, paths: TranslationPaths, samples: Batch) -> None:
    """Draw the grid and write it as a PNG."""
    path.parent.mkdir(exist_ok=True)
    draw_grid(paths, samples).save(path)
