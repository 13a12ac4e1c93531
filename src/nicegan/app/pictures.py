"""A picture that somebody gave: kept as the bytes of its file, and said in clear words if it cannot be used."""

from __future__ import annotations

import base64
import io
from math import ceil
from typing import NamedTuple

from PIL import Image

from nicegan.config import FULL_LEVELS, Levels, Size
from nicegan.data.cache import Pixels
from nicegan.data.colour import srgb_bytes
from nicegan.data.folders import read_encoded
from nicegan.errors import DataError

MAX_BYTES = 64 << 20  # of a file
MAX_PIXELS = 50_000_000  # of a picture: 150 MB in memory
THUMBNAIL = 480  # pixels, the longer side
QUICK = 1  # compression of PNGs that go no further than the browser


class Picture(NamedTuple):
    """The name and the content of an image file, and its height and width when it is upright."""

    name: str
    content: bytes
    size: Size

    def read(self, levels: Levels = FULL_LEVELS) -> Image.Image:
        """Return the picture as 8-bit RGB, upright; `levels` as in `nicegan.data.folders.read_image`."""
        return read_encoded(self.content, levels, MAX_PIXELS)


def read_picture(name: str, content: bytes) -> Picture:
    """Return the picture that a file holds.

    Raises:
        DataError: a file that is too large, no image, damaged, or of too many pixels; names it.
    """
    if len(content) > MAX_BYTES:
        raise DataError(f"{name} has {ceil(len(content) / 2**20):,} MB: at most {MAX_BYTES >> 20} MB are taken")
    try:
        image = read_encoded(content, max_pixels=MAX_PIXELS)
    except DataError as problem:
        raise DataError(f"{name}: {problem}") from None
    return Picture(name, content, (image.height, image.width))


def thumbnail(picture: Picture, side: int = THUMBNAIL) -> str:
    """Return a small copy of the picture, no side longer than `side`, as a data URL."""
    image = picture.read()
    image.thumbnail((side, side))
    return data_url(image)


def data_url(image: Image.Image) -> str:
    """Return an image as the address that holds all of it, so that a browser asks for no file."""
    return f"data:image/png;base64,{base64.b64encode(as_png(image, QUICK)).decode()}"


def png_of_size(pixels: Pixels, size: Size) -> bytes:
    """Return pixels as a PNG file of this height and width."""
    image = Image.fromarray(pixels)
    if pixels.shape[:2] != size:
        height, width = size
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return as_png(image)


def as_png(image: Image.Image, compression: int = 6) -> bytes:
    """Return an image as a PNG file in sRGB."""
    file = io.BytesIO()
    image.save(file, "PNG", icc_profile=srgb_bytes(), compress_level=compression)
    return file.getvalue()
