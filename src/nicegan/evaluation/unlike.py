"""How the files of two sets differ in what a score should not measure: their sizes, formats and compression."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from nicegan.data.folders import FORMATS, evenly_chosen, without_image_warnings

NUM_LOOKED_AT = 50
MIDDLE = 50  # the JPEG quality whose tables others are multiples of


class Kind(NamedTuple):
    """What most files of a set are: width and height in pixels, format, and JPEG quality where it can be told."""

    size: tuple[int, int]
    format: str
    quality: int | None

    def __str__(self) -> str:
        quality = "" if self.quality is None else f" of quality {self.quality}"
        return f"{self.size[0]}x{self.size[1]} {self.format}{quality}"


def kind_of(paths: Sequence[Path]) -> Kind | None:
    """Return what most of a few evenly chosen files are; None if none can be read."""
    with without_image_warnings():
        kinds = Counter(kind for path in evenly_chosen(paths, NUM_LOOKED_AT) if (kind := _kind(path)))
    return kinds.most_common(1)[0][0] if kinds else None


def unlike_note(sets: dict[str, Sequence[Path]]) -> str | None:
    """Return a note that says in what the sets of files differ; None if in nothing. The names are for people."""
    kinds = {name: kind for name, paths in sets.items() if (kind := kind_of(paths))}
    sizes, formats = {kind.size for kind in kinds.values()}, {kind[1:] for kind in kinds.values()}
    unlike = [what for what, found in (("size", sizes), ("format or compression", formats)) if len(found) > 1]
    if not unlike:
        return None
    listed = ", ".join(f"{kind} ({name})" for name, kind in kinds.items())
    way_out = "; --size PIXELS brings all to one size" if len(sizes) > 1 else ""
    return f"files of different {' and '.join(unlike)}, which scores measure too: {listed}{way_out}"


def _kind(path: Path) -> Kind | None:
    try:
        with Image.open(path, formats=FORMATS) as image:
            tables = getattr(image, "quantization", None)
            return Kind(image.size, image.format or "?", _quality(tables) if tables else None)
    except Exception:  # noqa: BLE001 - a broken file is named where it is read
        return None


def _quality(tables: dict[int, list[int]]) -> int:
    """Return the quality, 1 to 100, at which the JPEG library of the IJG makes about such tables."""
    scale = 100 * sum(tables[min(tables)]) / _middle_sum()
    quality = (200 - scale) / 2 if scale <= 100 else 5000 / scale
    return min(100, max(1, round(quality)))


@cache
def _middle_sum() -> int:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=MIDDLE)
    with Image.open(file) as image:
        return sum(getattr(image, "quantization")[0])  # noqa: B009
