"""Images of 16 bits that use few of them: a 12-bit scan in a 16-bit file is read as a nearly black image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from nicegan.data.folders import FORMATS, SIXTEEN_BIT, evenly_chosen

MOST_READ = 16  # images of a source that are looked at
FULL = 65535
WITH_DEPTH = {".png", ".tif", ".tiff", ".pgm", ".jp2"}  # suffixes of files that may hold 16 bits


def shallow_values(paths: Sequence[Path]) -> str | None:
    """Return what is wrong with 16-bit images that leave the upper bits unused, and the way out; None if nothing is.

    Looks at a few of the images, evenly chosen.
    """
    deep = [path for path in paths if path.suffix.lower() in WITH_DEPTH and path.is_file()]  # no pipe, no device
    ranges = [found for path in evenly_chosen(deep, MOST_READ) if (found := _range(path)) is not None]
    most = max((high for _, high in ranges), default=FULL)
    bits = most.bit_length()
    if bits > 14:
        return None
    least = min(low for low, _ in ranges)
    return (
        f"16-bit images hold values from {least} to {most} of {FULL}, {bits} bits only, and are read as nearly black: "
        f"multiply them by {FULL // ((1 << bits) - 1)} first"
    )


def _range(path: Path) -> tuple[int, int] | None:
    """Return the least and the largest value of a 16-bit image; None of any other file."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.mode not in SIXTEEN_BIT:
                return None
            values = np.asarray(image)
    except Exception:  # noqa: BLE001 - a broken file is named where it is read
        return None
    return int(values.min()), int(values.max())
