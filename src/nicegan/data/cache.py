"""Images decoded once into a memory-mapped file of uint8, shared by every run that wants the same ones.

A cache is named by what it holds: the files (path, size and times of change) and the size they are scaled to. A file
that changes gives another name, so a stale cache is never read. It is written beside its path and renamed, so that
processes that start at once may both write it, and neither sees half of it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from stat import S_ISLNK
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from nicegan.config import FULL_LEVELS, Levels
from nicegan.data.cache_entries import cache_folder, make_room, mark_used
from nicegan.data.folders import read_image, without_image_warnings, workers
from nicegan.errors import DataError
from nicegan.files import write_flushed

FORMAT_VERSION = 2  # 1 passed over colour profiles
ABANDONED_SECONDS = 24 * 3600
MAX_WAITING = 256  # images decoded ahead of the one being written, whatever their number
NO_SUCH_CALL = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
ZEROS = bytes(1 << 20)
Pixels = NDArray[np.uint8]
Progress = Callable[[int, int], None]


class ImageStore(NamedTuple):
    """Decoded images: `pixels` is a memory-mapped (count, height, width, 3) array, `names` are their files.

    `broken` are the files that could not be read, with the reason.
    """

    pixels: Pixels
    names: list[str]
    broken: dict[str, str]


Decode = Callable[[Path], Pixels | DataError]


def open_images(
    paths: Sequence[Path],
    size: tuple[int, int],
    *,
    levels: Levels = FULL_LEVELS,
    progress: Progress = lambda done, count: None,
) -> ImageStore:
    """Return the images at these paths, scaled to `size` (height, width), decoding them if no cache holds them yet.

    Args:
        levels: the values of 16-bit images that become 0 and 255.
        progress: told how many of how many images are decoded.

    Raises:
        DataError: the cache cannot be written.
    """
    path = cache_folder() / _fingerprint(paths, size, levels)
    store = _read(path)
    if store is None or any(not isinstance(_decode(Path(name), size, levels), DataError) for name in store.broken):
        _build(path, paths, partial(_decode, size=size, levels=levels), size, progress)
        make_room(path.parent, spared=path)
        store = _read(path)
    mark_used(path)
    if store is None:
        raise DataError(f"the image cache {path} cannot be read back: remove it, or set NICEGAN_CACHE")
    return store


def _read(path: Path) -> ImageStore | None:
    """Return what the cache at `path` holds; None if there is none, or a damaged one."""
    try:
        index = json.loads((path / "index.json").read_text(encoding="utf-8"))
        pixels = np.load(path / "pixels.npy", mmap_mode="r")
        return ImageStore(pixels[: len(index["names"])], index["names"], index["broken"])
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None


def _fingerprint(paths: Sequence[Path], size: tuple[int, int], levels: Levels) -> str:
    """Return a name for these files as they are now: a change of content, however small, changes size or times."""
    how = str(size) if levels == FULL_LEVELS else f"{size} {levels}"
    digest = hashlib.sha256(f"{FORMAT_VERSION} {PIL.__version__} {how}".encode())
    real_folder = lru_cache(maxsize=256)(os.path.realpath)  # most neighbours share it, and it costs more than all else
    for path in paths:
        folder, name = os.path.split(path)
        try:
            stat = os.lstat(path)
            resolved = f"{real_folder(folder)}{os.sep}{name}"
            if S_ISLNK(stat.st_mode):
                stat, resolved = path.stat(), str(path.resolve())
            state = f"{resolved}\0{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}\0"
        except (OSError, RuntimeError, ValueError) as problem:  # before Python 3.13 a loop of links is a RuntimeError
            state = f"{path}\0{type(problem).__name__}\0"
        digest.update(state.encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def _build(path: Path, paths: Sequence[Path], decode: Decode, size: tuple[int, int], progress: Progress) -> None:
    """Decode every image into a folder beside `path`, then rename it there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path.parent)
        _check_space(path.parent, len(paths) * size[0] * size[1] * 3)
        beside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            _decode_into(beside, paths, decode, size, progress)
            _move(beside, path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as problem:
        reason = problem.strerror or problem
        raise DataError(f"cannot write the image cache {path.parent}: {reason}; set NICEGAN_CACHE") from None


def _move(beside: Path, path: Path) -> None:
    """Put a finished cache in its path; another process may have been first, and a damaged one may be in the way."""
    try:
        beside.rename(path)
    except OSError:
        kept = _read(path)
        fresh = _read(beside)
        if kept is None or fresh is None or kept.names != fresh.names:
            shutil.rmtree(path, ignore_errors=True)
            beside.rename(path)


def _remove_abandoned(folder: Path) -> None:
    """Unfinished caches of processes that were killed, after a day."""
    for path in folder.glob(".*.*"):
        if path.is_dir() and time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _check_space(folder: Path, num_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise DataError(
            f"the decoded images need {num_bytes / 2**30:.1f} GiB, but {folder} has {free / 2**30:.1f} GiB free: "
            "set NICEGAN_CACHE to a folder on a larger disk"
        )


def _decode_into(
    folder: Path, paths: Sequence[Path], decode: Decode, size: tuple[int, int], progress: Progress
) -> None:
    pixels = _mapped(folder / "pixels.npy", (len(paths), *size, 3))
    names: list[str] = []
    broken: dict[str, str] = {}
    with without_image_warnings(), workers() as pool:
        for done, (path, image) in enumerate(zip(paths, _decoded(pool, paths, decode), strict=True)):
            if isinstance(image, DataError):
                broken[str(path)] = str(image)
            else:
                pixels[len(names)] = image
                names.append(str(path))
            progress(done + 1, len(paths))
    pixels.flush()
    write_flushed(folder / "index.json", json.dumps({"names": names, "broken": broken}).encode())


def _mapped(path: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.uint8]]:
    """A new .npy file, mapped, with all its space taken: where the disk is full, writing to a map kills the process.

    Raises:
        OSError: there is not so much space, or the user may not have it.
    """
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    with path.open("r+b") as file:
        _take_space(file, path.stat().st_size - pixels.nbytes, pixels.nbytes)
    return pixels


def _take_space(file: BinaryIO, start: int, num_bytes: int) -> None:
    """Give these bytes of a file, which are all zero, their path on the disk."""
    try:
        os.posix_fallocate(file.fileno(), start, num_bytes)
    except (AttributeError, OSError) as problem:  # macOS has no such call, and not every file system knows it
        if isinstance(problem, OSError) and problem.errno not in NO_SUCH_CALL:
            raise
        file.seek(start)
        for done in range(0, num_bytes, len(ZEROS)):
            file.write(ZEROS[: num_bytes - done])


def _decoded(pool: ThreadPoolExecutor, paths: Sequence[Path], decode: Decode) -> Iterator[Pixels | DataError]:
    """Return the images in order, decoded in the pool; at most MAX_WAITING are ahead of the one that is taken."""
    waiting: deque[Future[Pixels | DataError]] = deque()
    for path in paths:
        if len(waiting) == MAX_WAITING:
            yield waiting.popleft().result()
        waiting.append(pool.submit(decode, path))
    while waiting:
        yield waiting.popleft().result()


def _decode(path: Path, size: tuple[int, int], levels: Levels) -> Pixels | DataError:
    try:
        return scaled(read_image(path, levels), size)
    except DataError as problem:
        return problem


def scaled(image: Image.Image, size: tuple[int, int]) -> Pixels:
    """Return an RGB image at (height, width), bilinear and without keeping the aspect: (height, width, 3) uint8."""
    height, width = size
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
