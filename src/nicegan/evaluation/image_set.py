"""A folder of images, and which image of one folder belongs to which of another."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from nicegan.data.folders import require_images
from nicegan.errors import DataError

MIN_IMAGES = 2  # one image has no spread


class ImageSet(NamedTuple):
    """A folder's images, under the name that scores call it by."""

    name: str
    folder: Path
    paths: list[Path]

    def keys(self) -> list[str]:
        """What belongs together in two sets has one key: the path inside the folder, without its suffix."""
        return [path.relative_to(self.folder).with_suffix("").as_posix() for path in self.paths]

    def partners(self, others: ImageSet) -> list[Path]:
        """The image of `others` that belongs to each of ours, in our order.

        Raises:
            DataError: one of ours has none.
        """
        by_key = dict(zip(others.keys(), others.paths, strict=True))
        lonely = [key for key in self.keys() if key not in by_key]
        if lonely:
            raise DataError(
                f"{len(lonely)} of {len(self.paths)} images in {self.folder} have none of their name in "
                f"{others.folder}, for instance {lonely[0]!r}"
            )
        return [by_key[key] for key in self.keys()]


def read_set(folder: Path, name: str | None = None) -> ImageSet:
    """The images below a folder; its name is the folder's unless another is given.

    Raises:
        DataError: no folder, no images, or a single one.
    """
    paths = require_images(folder)
    if len(paths) < MIN_IMAGES:
        raise DataError(f"{folder} holds one image: scores compare sets, of {MIN_IMAGES} images at least")
    return ImageSet(name or str(folder), folder, paths)
