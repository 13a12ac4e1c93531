"""Tar shards for tests: images that say which they are, as a user would write them."""

import io
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 8  # pixels


def numbered(number: int, side: int = SIDE, kind: str = "PNG") -> bytes:
    """An image of one colour that tells its number, below 2**24."""
    colour = (number >> 16, number >> 8 & 255, number & 255)
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, kind)
    return file.getvalue()


def number_of(pixels: np.ndarray) -> int:
    """The number that an image of one colour tells."""
    red, green, blue = pixels[0, 0].tolist()
    return red << 16 | green << 8 | blue


def write_tar(path: Path, members: Iterable[tuple[str, bytes]], style: int = tarfile.PAX_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=style) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def write_shards(folder: Path, counts: Sequence[int], name: str = "a") -> list[str]:
    """Shards of so many numbered images each, with labels between them; the numbers go on from shard to shard."""
    urls, number = [], 0
    for shard, count in enumerate(counts):
        members = []
        for _ in range(count):
            members += [(f"deep/{number:06d}.png", numbered(number)), (f"deep/{number:06d}.cls", b"7")]
            number += 1
        urls.append(str(write_tar(folder / f"{name}-{shard:03d}.tar", members)))
    return urls
