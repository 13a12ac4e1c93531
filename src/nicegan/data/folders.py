"""Finding images and reading them: any common format, as 8-bit RGB."""

from __future__ import annotations

import io
import math
import os
import stat
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError, features

from nicegan.config import FULL_LEVELS, Levels
from nicegan.data.colour import to_srgb
from nicegan.errors import DataError

Item = TypeVar("Item")
_OF_FORMAT = {  # formats that Pillow decodes without starting programs -> suffixes
    "JPEG": (".jpg", ".jpeg", ".jfif", ".jpe"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "JPEG2000": (".jp2", ".j2k"),
    "AVIF": (".avif",),
}
_LIBRARY_OF = {"WEBP": "webp", "JPEG2000": "jpg_2000", "AVIF": "avif"}  # formats that a Pillow may lack
FORMATS = tuple(name for name in _OF_FORMAT if name not in _LIBRARY_OF or features.check(_LIBRARY_OF[name]))
SUFFIXES = frozenset(suffix for name in FORMATS for suffix in _OF_FORMAT[name])
WITH_A_PLUGIN = {".heic": "pillow-heif", ".heif": "pillow-heif"}
NOT_OF_THE_USER = frozenset(  # folders in which storage systems keep thumbnails and what was deleted
    {"@eadir", "#recycle", "@recycle", "@tmp", ".thumbnails", "__macosx", "$recycle.bin", "lost+found"}
)
MAX_PIXELS = 100_000_000
MAX_HELD_PIXELS = 1 << 26  # of images that are held together: 200 MB
SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_EXIF_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BROKEN = (  # what decoders raise for files that are damaged
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    ArithmeticError,
    struct.error,
    zlib.error,
)
_WITHOUT_A_RANGE = ("I", "F")  # 32-bit integers and floats


def find_images(folder: Path, passed_over: Counter[str] | None = None) -> list[Path]:
    """Return every image below `folder`, at any depth, sorted by path. Links are followed, each folder once.

    Args:
        folder: where to look.
        passed_over: counts what is no image that can be read, by kind: a suffix, "hidden" or "thumbnails".
    """
    kinds: Counter[str] = Counter() if passed_over is None else passed_over
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        status = os.stat(parent)
        if (status.st_dev, status.st_ino) in seen:  # a loop of links, or another name of a folder
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        kinds["hidden"] += sum(name.startswith(".") for name in (*folders, *names))
        kinds["thumbnails"] += sum(name.lower() in NOT_OF_THE_USER for name in folders if not name.startswith("."))
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name.lower() not in NOT_OF_THE_USER
        )
        for name in names:
            suffix = os.path.splitext(name)[1].lower()
            if name.startswith("."):
                continue
            if suffix in SUFFIXES:
                found.append(Path(parent, name))
            else:
                kinds[suffix or "without a suffix"] += 1
    return sorted(found)


def described(passed_over: Counter[str]) -> str | None:
    """Return in a line what was passed over: "7 files passed over: 4 .svg, 2 .heic (pip install pillow-heif ...)"."""
    kinds = +passed_over
    if not kinds:
        return None
    named = []
    for kind, count in kinds.most_common():
        plugin = WITH_A_PLUGIN.get(kind)
        named.append(f"{count} {kind}" + (f" (convert them, {plugin} for instance reads them)" if plugin else ""))
    count = kinds.total()
    return f"{count} {'file' if count == 1 else 'files'} passed over: {', '.join(named)}"


def _refuse(problem: OSError) -> None:
    raise DataError(f"folder {problem.filename} cannot be read: {problem.strerror}")


def require_images(folder: Path, passed_over: Counter[str] | None = None) -> list[Path]:
    """Return the images below a folder that must be there and hold some; `passed_over` as in `find_images`.

    Raises:
        DataError: it is not a folder, or holds no images.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder")
    if images := find_images(folder, passed_over):
        return images
    raise DataError(f"{folder} holds no images ({', '.join(sorted(SUFFIXES))})")


def read_image(path: Path, levels: Levels = FULL_LEVELS) -> Image.Image:
    """One image as 8-bit RGB: upright (EXIF), alpha and transparency on white, first frame only.

    Args:
        levels: the values of a 16-bit image that become 0 and 255.

    Raises:
        DataError: what is wrong with the file, without its name.
    """
    with _reasons():
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise DataError("not a regular file")
        return _opened(path, levels)


def read_encoded(content: bytes, levels: Levels = FULL_LEVELS, max_pixels: int | None = None) -> Image.Image:
    """As `read_image`, of a file's content; of at most `max_pixels`, if given, in place of `MAX_PIXELS`."""
    with _reasons():
        return _opened(io.BytesIO(content), levels, max_pixels)


def _opened(file: Path | io.BytesIO, levels: Levels = FULL_LEVELS, max_pixels: int | None = None) -> Image.Image:
    with Image.open(file, formats=FORMATS) as image:
        _check_size(image, max_pixels or MAX_PIXELS)
        image.load()
        return upright_rgb(image, levels)


def stored_size(path: Path) -> tuple[int, int]:
    """Return an image's height and width in pixels, by its header; 0 and 0 if that cannot be read."""
    if not path.is_file():
        return 0, 0
    try:
        with _reasons(), Image.open(path, formats=FORMATS) as image:
            return image.height, image.width
    except DataError:
        return 0, 0


def portions(paths: Sequence[Path], count: int, max_pixels: int = MAX_HELD_PIXELS) -> Iterator[list[Path]]:
    """Return the images a few at a time, so that any set fits in memory: at most `count`, and of large ones fewer."""
    some: list[Path] = []
    held = 0
    for path in paths:
        pixels = math.prod(stored_size(path))
        if some and (len(some) == count or held + pixels > max_pixels):
            yield some
            some, held = [], 0
        some.append(path)
        held += pixels
    if some:
        yield some


@contextmanager
def workers() -> Iterator[ThreadPoolExecutor]:
    """Threads that decode images; whatever ends their use ends them too, with what waits undone."""
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _reasons() -> Iterator[None]:
    """Within: whatever a decoder raises becomes a DataError of one line."""
    try:
        yield
    except UnidentifiedImageError:
        raise DataError("not an image that can be read") from None
    except MemoryError:
        raise DataError("too large for this machine's memory") from None
    except Image.DecompressionBombError:
        raise DataError("many more pixels than are allowed") from None
    except _BROKEN as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
        raise DataError(reason.partition("\n")[0] or type(problem).__name__) from None


@contextmanager
def without_image_warnings() -> Iterator[None]:
    """Within: no warnings of broken metadata around good images. To be entered outside threads that read images."""
    with warnings.catch_warnings():
        ignore_image_warnings()
        yield


def ignore_image_warnings() -> None:
    """Silence warnings about images from now on, for threads that read images as long as the process lives."""
    warnings.filterwarnings("ignore", module="PIL")
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def _check_size(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise DataError(f"{image.width}x{image.height} pixels are more than the {max_pixels:,} that are allowed")


def upright_rgb(image: Image.Image, levels: Levels = FULL_LEVELS) -> Image.Image:
    """Any PIL image as 8-bit RGB, turned as its EXIF orientation says; `levels` as in `read_image`."""
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except _BROKEN:  # a good image in broken metadata
        orientation = 1
    rgb = to_rgb(image, levels)
    return rgb.transpose(_TURNS[orientation]) if orientation in _TURNS else rgb


def to_rgb(image: Image.Image, levels: Levels = FULL_LEVELS) -> Image.Image:
    """Return any PIL image as 8-bit sRGB, by its colour profile if it has one; `levels` as in `read_image`.

    Raises:
        DataError: 32-bit values, whose range nobody knows.
    """
    if image.mode in SIXTEEN_BIT:
        low, high = levels
        scaled = (np.asarray(image).astype(np.float64) - low) * (255 / (high - low))
        return Image.fromarray(scaled.round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in _WITHOUT_A_RANGE:
        raise DataError(f"{image.mode!r} pixels (32 bits) have no known range: convert to 8 or 16 bits")
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        rgba = image.convert("RGBA")
        rgb = rgba.convert("RGB")
        rgb.info = image.info
        rgba = to_srgb(rgb).convert("RGBA")
        rgba.putalpha(image.convert("RGBA").getchannel("A"))
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return to_srgb(image.convert("RGB") if image.mode == "P" else image).convert("RGB")


def listing(broken: dict[str, str]) -> str:
    """Broken files, one a line, with the reason."""
    return "\n".join(f"  {name!r}: {reason}" for name, reason in broken.items())


def evenly_chosen(items: Sequence[Item], count: int) -> list[Item]:
    """`count` of the items, as evenly as can be, in their order; all of them if there are no more."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]
