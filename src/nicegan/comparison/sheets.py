"""Sheets of a comparison: the same source images with the fakes of every recipe side by side."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PILImage

from nicegan.comparison.outputs import Direction, fakes_folder, output_names, run_folder
from nicegan.comparison.table import ComparisonTable
from nicegan.config import Levels, levels_of
from nicegan.data.cache import open_images
from nicegan.data.folders import evenly_chosen
from nicegan.data.places import Files, find_split
from nicegan.model_file import MODEL_FILE, read_spec
from nicegan.sheets import Group, Tiles, plot_sheet

NUM_IMAGES = 6  # rows of a sheet


def sheet(table: ComparisonTable, way: Direction, out: Path) -> bytes | None:
    """Return one direction as a PNG, fakes of each recipe's first finished seed; None where there are none."""
    rows = [row for row in table.rows if row.scores]
    if not rows:
        return None
    size = rows[0].config.size
    columns: dict[str, Tiles] = {}
    chosen: list[Path] = []
    for row in rows:
        folder = fakes_folder(out, way, row.name, min(row.scores))
        chosen = evenly_chosen(sorted(folder.rglob("*.png")), NUM_IMAGES)
        columns[row.name] = _tiles(chosen, size)
    run = run_folder(out, rows[0].name, min(rows[0].scores))
    levels = levels_of(read_spec(run / MODEL_FILE).value_range)
    sources = _sources(Path(str(rows[0].config.data)), way, chosen, size, levels)
    groups = [*([Group("", {f"source ({way.source})": sources})] if sources is not None else []), Group("", columns)]
    buffer = io.BytesIO()
    plot_sheet(groups).save(buffer, format="PNG")
    return buffer.getvalue()


def _tiles(paths: list[Path], size: tuple[int, int]) -> Tiles:
    height, width = size
    images = [np.asarray(PILImage.open(path).convert("RGB").resize((width, height))) for path in paths]
    return torch.from_numpy(np.stack(images))


def _sources(data: Path, way: Direction, fakes: list[Path], size: tuple[int, int], levels: Levels) -> Tiles | None:
    """Return the images that these fakes were made of, by their names; None for images in tar shards."""
    found = find_split(data, f"test{way.source}")
    if not isinstance(found, Files):
        return None
    paths = list(dict.fromkeys(found.paths))
    by_name = dict(zip(output_names(paths), paths, strict=True))
    return torch.from_numpy(open_images([by_name[fake.stem] for fake in fakes], size, levels=levels).pixels.copy())
