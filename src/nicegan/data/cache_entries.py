"""What lies in the cache, how much of the disk it takes, and how it stays within a limit."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from nicegan.errors import DataError

LIMIT_GB = 100.0  # of decoded images, unless NICEGAN_CACHE_GB says otherwise
INDEX = "index.json"


class Entry(NamedTuple):
    """One thing in the cache: decoded images, the features of a set, or a downloaded network.

    Args:
        path: its folder or file.
        kind: "images", "features" or "network".
        num_bytes: what it takes of the disk.
        used: when it was last read, in seconds since 1970.
    """

    path: Path
    kind: str
    num_bytes: int
    used: float


def cache_folder() -> Path:
    """Where caches lie: NICEGAN_CACHE, or nicegan in the user's cache folder."""
    if folder := os.environ.get("NICEGAN_CACHE"):
        return Path(folder)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nicegan"
    except RuntimeError:  # a user without a home
        raise DataError("there is no home folder to keep the cache in: set NICEGAN_CACHE to a folder") from None


def entries(folder: Path) -> list[Entry]:
    """Return all entries of a cache folder, the one that was used last first."""
    return sorted(_found(folder), key=lambda entry: -entry.used)


def mark_used(path: Path) -> None:
    """Note that decoded images are in use now."""
    with suppress(OSError):  # a cache of another user can be read all the same
        os.utime(path / INDEX)


def make_room(folder: Path, spared: Path) -> None:
    """Remove decoded images, the longest unused first, until the rest is within the limit; `spared` stays.

    A run whose images are removed goes on: it has them open.

    Raises:
        DataError: NICEGAN_CACHE_GB is no number.
    """
    given = os.environ.get("NICEGAN_CACHE_GB", str(LIMIT_GB))
    try:
        limit = float(given) * 1e9
    except ValueError:
        raise DataError(f"NICEGAN_CACHE_GB is {given!r}: give a number of gigabytes") from None
    images = [entry for entry in entries(folder) if entry.kind == "images"]
    total = sum(entry.num_bytes for entry in images)
    for entry in reversed(images):
        if total <= limit:
            return
        if entry.path != spared:
            remove(entry)
            total -= entry.num_bytes


def remove(entry: Entry) -> None:
    """Remove an entry; one that another process has removed is gone already."""
    if entry.path.is_dir():
        shutil.rmtree(entry.path, ignore_errors=True)
    else:
        entry.path.unlink(missing_ok=True)


def unused_for(entry: Entry, days: float) -> bool:
    """Return whether nobody has read an entry for so long."""
    return time.time() - entry.used >= days * 24 * 3600


def _found(folder: Path) -> Iterator[Entry]:
    for index in folder.glob(f"*/{INDEX}"):
        with suppress(OSError):  # another process may remove it meanwhile
            size = sum(path.stat().st_size for path in index.parent.iterdir())
            yield Entry(index.parent, "images", size, index.stat().st_mtime)
    for kind, pattern in (("features", "features/*.safetensors"), ("network", "networks/*")):
        for path in folder.glob(pattern):
            with suppress(OSError):
                yield Entry(path, kind, path.stat().st_size, path.stat().st_mtime)
