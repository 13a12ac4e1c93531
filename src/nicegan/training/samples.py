"""Sample grids: what the networks make of fixed test images, one row an image, both directions side by side."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image as PILImage

from nicegan.data.augment import to_pixels
from nicegan.methods.base import HasHeatmap, HasStyles, TranslationModel
from nicegan.shapes import OTHER, Batch, DomainName, Image
from nicegan.sheets import Group, overlaid, plot_sheet

AT_ONCE = 8  # images that are translated together
STYLES_OF_SCORES = "Each image is translated with one random style, always the same."
NUM_STYLES = 3  # translations of one image, by methods that make several


@torch.no_grad()
def views(networks: TranslationModel, source: DomainName, image: Image) -> dict[str, Image]:
    """Return one direction's columns, each (n, 3, h, w) in [-1, 1]: what the networks make of images of `source`."""
    target = OTHER[source]
    columns = {"source": image}
    if isinstance(networks, HasHeatmap):
        columns["heatmap"] = overlaid(networks.heatmap(image, source), image)
    columns["reconstruction"] = networks.reconstruct(image, source)
    columns |= translations(networks, target, image)
    own_style = networks.encode_style(image, source) if isinstance(networks, HasStyles) else None
    first = columns[next(name for name in columns if "translation" in name)]
    columns["cycle"] = networks.translate(first, source, own_style)
    return columns


def translations(networks: TranslationModel, target: DomainName, image: Image) -> dict[str, Image]:
    """Return the translations of images: one column, or several of a method with styles."""
    if not isinstance(networks, HasStyles):
        return {"translation": networks.translate(image, target)}
    styles = networks.sample_styles(NUM_STYLES, torch.Generator().manual_seed(0)).to(image)
    return {
        f"translation {number}": networks.translate(image, target, style.expand(len(image), -1))
        for number, style in enumerate(styles, start=1)
    }


@torch.no_grad()
def translated(networks: TranslationModel, target: DomainName, images: Image, device: torch.device) -> Image:
    """Return many images, translated a few at a time on `device`; the result is on the CPU.

    A model with styles gives each image a random one, always the same.
    """
    if not isinstance(networks, HasStyles):
        return torch.cat([networks.translate(few.to(device), target).cpu() for few in images.split(AT_ONCE)])
    styles = networks.sample_styles(len(images), torch.Generator().manual_seed(0)).split(AT_ONCE)
    return torch.cat(
        [
            networks.translate(few.to(device), target, style.to(device)).cpu()
            for few, style in zip(images.split(AT_ONCE), styles, strict=True)
        ]
    )


def plot_grid(networks: TranslationModel, samples: Batch) -> PILImage.Image:
    """Draw the grid of both directions, with a header that names the columns."""
    count = min(len(samples.a), len(samples.b))
    halves: list[tuple[DomainName, Image]] = [("A", samples.a[:count]), ("B", samples.b[:count])]
    groups = []
    for source, image in halves:
        columns = views(networks, source, image)
        groups.append(Group(f"{source} to {OTHER[source]}", {name: to_pixels(view) for name, view in columns.items()}))
    return plot_sheet(groups)


def save_grid(path: Path, networks: TranslationModel, samples: Batch) -> tuple[int, int]:
    """Draw the grid and write it as a PNG; return its width and height in pixels."""
    path.parent.mkdir(exist_ok=True)
    grid = plot_grid(networks, samples)
    grid.save(path)
    return grid.size
