"""Images of a folder to choose from."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from nicegan.app.pictures import read_picture, thumbnail
from nicegan.data.folders import evenly_chosen, require_images
from nicegan.errors import DataError

MOST = 12  # on the page
SIDE = 160  # pixels


class Example(NamedTuple):
    """An image file, and a small copy of it as a data URL."""

    path: Path
    thumbnail: str


def find_examples(folder: Path) -> list[Example]:
    """Return images at any depth of a folder, at equal distances if there are many; what cannot be read is left out.

    Raises:
        DataError: it is no folder, or holds no image that can be read.
    """
    found = []
    problem: DataError | None = None
    for path in evenly_chosen(require_images(folder), MOST):
        try:
            found.append(Example(path, thumbnail(read_picture(path.name, path.read_bytes()), SIDE)))
        except DataError as reason:
            problem = problem or reason
    if not found:
        raise DataError(f"--examples {folder}: none of its images can be read: {problem}")
    return found
