"""A set of image files, in an order and with names that do not matter to its scores."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nicegan.data.folders import described, require_images
from nicegan.errors import DataError
from nicegan.evaluation.pairs import partners

MIN_IMAGES = 2  # one image has no spread


class ImageSet(NamedTuple):
    """Images under the name that scores call them by; what belongs together in two sets has one key.

    `source` is where they lie, in words; `note` says what of the folder is not in the set.
    """

    name: str
    source: str
    paths: list[Path]
    keys: list[str]
    note: str | None = None

    def by_contents(self) -> tuple[ImageSet, int]:
        """Return these images in an order that follows from their bytes alone, and a number that does as well."""
        digests = {path: digest_of(path) for path in self.paths}
        order = sorted(range(len(self.paths)), key=lambda index: digests[self.paths[index]])
        total = zlib.crc32(b"".join(digests[self.paths[index]] for index in order))
        paths, keys = [self.paths[index] for index in order], [self.keys[index] for index in order]
        return self._replace(paths=paths, keys=keys), total

    def partners(self, others: ImageSet) -> list[Path]:
        """Return the image of `others` that belongs to each of ours, in our order.

        Raises:
            DataError: one of ours has none, or several, or shares one.
        """
        indices = partners(self.keys, others.keys, self.source, others.source)
        return [others.paths[index] for index in indices]

    def is_paired_with(self, others: ImageSet) -> bool:
        """Return whether each image of both sets has one partner in the other."""
        try:
            return len(self.keys) == len(others.keys) == len(self.partners(others))
        except DataError:
            return False


def read_set(folder: Path, name: str | None = None) -> ImageSet:
    """Return the images below a folder; its name is the folder's unless another is given.

    An image's key is its path inside the folder.

    Raises:
        DataError: no folder, no images, or a single one.
    """
    passed_over: Counter[str] = Counter()
    paths = require_images(folder, passed_over)
    refuse_one(paths, str(folder))
    keys = [path.relative_to(folder).as_posix() for path in paths]
    said = described(passed_over)
    return ImageSet(name or str(folder), str(folder), paths, keys, f"{folder}: {said}" if said else None)


def digest_of(path: Path) -> bytes:
    """Return a SHA-256 of a file's bytes; of none for a file that cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes() if path.is_file() else b"").digest()
    except OSError:  # extraction will name it
        return b"unreadable"


def refuse_one(paths: Sequence[Path], source: str) -> None:
    """Raises DataError for a single image."""
    if len(paths) < MIN_IMAGES:
        raise DataError(f"{source} holds one image: scores compare sets, of {MIN_IMAGES} images at least")
