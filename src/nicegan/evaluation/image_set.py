"""A set of image files, and which image of one set belongs to which of another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nicegan.data.folders import require_images
from nicegan.errors import DataError

MIN_IMAGES = 2  # one image has no spread


class ImageSet(NamedTuple):
    """Images under the name that scores call them by; what belongs together in two sets has one key.

    `source` is where they lie, in words.
    """

    name: str
    source: str
    paths: list[Path]
    keys: list[str]

    def partners(self, others: ImageSet) -> list[Path]:
        """Return the image of `others` that belongs to each of ours, in our order.

        Raises:
            DataError: one of ours has none.
        """
        by_key = dict(zip(others.keys, others.paths, strict=True))
        lonely = [key for key in self.keys if key not in by_key]
        if lonely:
            raise DataError(
                f"{len(lonely)} of {len(self.paths)} images in {self.source} have none of their name in "
                f"{others.source}, for instance {lonely[0]!r}"
            )
        return [by_key[key] for key in self.keys]


def read_set(folder: Path, name: str | None = None) -> ImageSet:
    """Return the images below a folder; its name is the folder's unless another is given.

    An image's key is its path inside the folder, without its suffix.

    Raises:
        DataError: no folder, no images, or a single one.
    """
    paths = require_images(folder)
    refuse_one(paths, str(folder))
    keys = [path.relative_to(folder).with_suffix("").as_posix() for path in paths]
    return ImageSet(name or str(folder), str(folder), paths, keys)


def refuse_one(paths: Sequence[Path], source: str) -> None:
    """Raises DataError for a single image."""
    if len(paths) < MIN_IMAGES:
        raise DataError(f"{source} holds one image: scores compare sets, of {MIN_IMAGES} images at least")
