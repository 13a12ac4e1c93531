"""Images decoded once into a memory-mapped file of uint8, shared by every run that wants the same ones.

A cache is named by what it holds: the files (path, size and times of change) and the size they are scaled to. A file
that changes gives another name, so a stale cache is never read. It is written beside its place and renamed, so that
processes that start at once may both write it, and neither sees half of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nicegan.data.folders import listing, read_image
from nicegan.errors import DataError

FORMAT_VERSION = 1
Pixels = NDArray[np.uint8]


class ImageStore(NamedTuple):
    """Decoded images: `pixels` is a memory-mapped (count, height, width, 3) array; `names` are their files."""

    pixels: Pixels
    names: list[str]


def cache_folder() -> Path:
    """Where caches lie: NICEGAN_CACHE, or nicegan in the user's cache folder."""
    if folder := os.environ.get("NICEGAN_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nicegan"


def open_images(
    paths: Sequence[Path],
    size: tuple[int, int],
    *,
    skip_broken: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> ImageStore:
    """The images at these paths, scaled to `size` (height, width), decoding them if no cache holds them yet.

    Args:
        progress: told the number of images decoded so far.

    Raises:
        DataError: some images cannot be read (all are listed, with the reason) and `skip_broken` is off, or none can.
    """
    place = cache_folder() / _fingerprint(paths, size)
    if not (place / "index.json").is_file():
        _build(place, paths, size, progress)
    index = json.loads((place / "index.json").read_text())
    broken: dict[str, str] = index["broken"]
    if broken and not skip_broken:
        way_out = "repair or remove them, or train without them: --skip-broken"
        raise DataError(f"{len(broken)} of {len(paths)} images cannot be read; {way_out}\n{listing(broken)}")
    if not index["names"]:
        raise DataError(f"none of the {len(paths)} images can be read\n{listing(broken)}")
    return ImageStore(np.load(place / "pixels.npy", mmap_mode="r"), index["names"])


def _fingerprint(paths: Sequence[Path], size: tuple[int, int]) -> str:
    """A name for these files as they are now: a change of content, however small, changes size or times."""
    digest = hashlib.sha256(f"{FORMAT_VERSION} {size}".encode())
    for path in paths:
        try:
            stat = path.stat()
            digest.update(
                f"{path.resolve()}\0{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}\0".encode(
                    errors="surrogateescape"
                )
            )
        except OSError as problem:
            digest.update(f"{path}\0{problem.errno}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def _build(place: Path, paths: Sequence[Path], size: tuple[int, int], progress: Callable[[int], None]) -> None:
    """Decode every image into a folder beside `place`, then rename it."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _check_space(place.parent, len(paths) * size[0] * size[1] * 3)
        beside = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    except OSError as problem:
        raise DataError(f"cannot write the image cache {place.parent}: {problem.strerror}; set NICEGAN_CACHE") from None
    try:
        _decode_into(beside, paths, size, progress)
        try:
            beside.rename(place)
        except OSError:  # another process was first, and its cache is the same
            if not (place / "index.json").is_file():
                raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check_space(folder: Path, num_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise DataError(
            f"the decoded images need {num_bytes / 2**30:.1f} GiB, but {folder} has {free / 2**30:.1f} GiB free: "
            "set NICEGAN_CACHE to a folder on a larger disk"
        )


def _decode_into(folder: Path, paths: Sequence[Path], size: tuple[int, int], progress: Callable[[int], None]) -> None:
    shape = (len(paths), *size, 3)
    pixels = np.lib.format.open_memmap(folder / "pixels.npy", mode="w+", dtype=np.uint8, shape=shape)
    names: list[str] = []
    broken: dict[str, str] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, (path, image) in enumerate(
            zip(paths, pool.map(lambda path: _decode(path, size), paths), strict=True)
        ):
            if isinstance(image, DataError):
                broken[str(path)] = str(image)
            else:
                pixels[len(names)] = image
                names.append(str(path))
            progress(done + 1)
    pixels.flush()
    if broken:  # the readable images stand first; cut the file to them
        kept = np.array(pixels[: len(names)])
        del pixels
        np.save(folder / "pixels.npy", kept)
    (folder / "index.json").write_text(json.dumps({"names": names, "broken": broken}))


def _decode(path: Path, size: tuple[int, int]) -> Pixels | DataError:
    try:
        return scaled(read_image(path), size)
    except DataError as problem:
        return problem


def scaled(image: Image.Image, size: tuple[int, int]) -> Pixels:
    """An RGB image at (height, width), bilinear and without keeping the aspect: (height, width, 3) uint8."""
    height, width = size
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
