"""Images of 16 bits that use few of them: a 12-bit scan in a 16-bit file is read as a nearly black image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from nicegan.data.folders import FORMATS, SIXTEEN_BIT, evenly_chosen, without_image_warnings

MOST_READ = 16  # images of a source that are looked at
FULL = 65535
WITH_DEPTH = {".png", ".tif", ".tiff", ".pgm", ".jp2"}  # suffixes of files that may hold 16 bits


class Depth(NamedTuple):
    """The least and the largest value of some 16-bit images, and how many bits hold them."""

    least: int
    most: int
    bits: int

    def __str__(self) -> str:
        return f"16-bit images hold values from {self.least} to {self.most}, {self.bits} of 16 bits"

    @property
    def value_range(self) -> str:
        """The range that these bits can hold, as `--value-range` takes it."""
        return f"0,{(1 << self.bits) - 1}"


def shallow_depth(paths: Sequence[Path]) -> Depth | None:
    """Return the depth of 16-bit images that leave upper bits unused; None if there are none.

    Looks at a few of the images, evenly chosen.
    """
    deep = [path for path in paths if path.suffix.lower() in WITH_DEPTH and path.is_file()]  # no pipe, no device
    with without_image_warnings():
        ranges = [found for path in evenly_chosen(deep, MOST_READ) if (found := _range(path)) is not None]
    most = max((high for _, high in ranges), default=FULL)
    bits = most.bit_length()
    if bits > 14:
        return None
    return Depth(min(low for low, _ in ranges), most, max(bits, 8))


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
