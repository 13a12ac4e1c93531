"""Unpacking the zip archive of a data set: only images, only into their splits, never more than is sensible.

An archive comes from a server that may have been taken over. One that tries to write elsewhere, holds links, or would
fill the disk is refused as a whole, before anything of it is written.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from nicegan.data.catalogue import SPLITS
from nicegan.data.folders import NOT_OF_THE_USER, SUFFIXES
from nicegan.errors import DataError

MAX_FILES = 60_000
MAX_GROWTH = 4  # bytes unpacked for a byte packed: images are compressed already
MAX_NAME = 200  # bytes
MAX_DIRECTORY = 16 << 20  # bytes of the list of files: it is read into memory as a whole
CHUNK = 1 << 20  # bytes
_END_RECORD, _END_RECORD_64 = b"PK\x05\x06", b"PK\x06\x07"
_TAIL = 20 + 22 + 65_535  # bytes that hold the end records
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    LookupError,
)
Progress = Callable[[int, int], None]


class _Member(NamedTuple):
    """An image in the archive, and which split it belongs to."""

    info: zipfile.ZipInfo
    split: str
    name: str


def unpack(archive: Path, folder: Path, *, holds_out: bool, progress: Progress = lambda done, total: None) -> None:
    """Unpack the images of trainA, trainB, testA and testB into a new folder.

    Args:
        holds_out: leave training images out that are test images too.
        progress: told how many of how many images are unpacked.

    Raises:
        DataError: the archive cannot be read, or is refused; `folder` may hold a part of it only if it cannot be read.
        OSError: the folder cannot be written.
    """
    with _reasons():
        _refuse_long_list(archive)
        opened = zipfile.ZipFile(archive)
    with opened:
        members = _members(opened.infolist())
        _refuse_bomb(opened.infolist(), archive.stat().st_size)
        if holds_out:
            members = _without_test_images(members)
        if missing := [split for split in SPLITS[:2] if all(member.split != split for member in members)]:
            raise DataError(f"it holds no images in {' and '.join(missing)}")
        for split in SPLITS:
            (folder / split).mkdir(parents=True)
        for done, member in enumerate(members):
            with (folder / member.split / member.name).open("xb") as file:
                for chunk in _content(opened, member.info):
                    file.write(chunk)
            progress(done + 1, len(members))


def _members(infos: list[zipfile.ZipInfo]) -> list[_Member]:
    """Return the images, of paths like NAME/trainA/1.jpg or trainA/1.jpg; other files are passed over.

    Raises:
        DataError: a path that leads elsewhere, a link or device, or two files for one path.
    """
    if len(infos) > MAX_FILES:
        raise DataError(f"it holds {len(infos):,} files, more than {MAX_FILES:,}")
    members: dict[tuple[str, str], _Member] = {}
    for info in infos:
        _refuse_hostile(info)
        path = PurePosixPath(info.filename)
        is_foreign = any(part.startswith(".") or part.lower() in NOT_OF_THE_USER for part in path.parts)
        split = path.parent.name
        if info.is_dir() or is_foreign or len(path.parts) > 3 or split not in SPLITS:
            continue
        if path.suffix.lower() not in SUFFIXES:
            continue
        key = split, path.name.casefold()
        if key in members:
            raise DataError(f"{info.filename!r} is in it twice")
        members[key] = _Member(info, split, path.name)
    return list(members.values())


def _refuse_hostile(info: zipfile.ZipInfo) -> None:
    name = info.orig_filename  # before anything was repaired
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or re.search(r"[\x00-\x1f\\]|^\w:", name):
        raise DataError(f"{name!r} leads out of its folder")
    if len(parts[-1].encode(errors="surrogateescape")) > MAX_NAME:
        raise DataError(f"{name[:40]!r}... is too long a name")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(f"{name!r} is a link or a device")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{name!r} is compressed in another way than deflate")


def _refuse_bomb(infos: list[zipfile.ZipInfo], num_packed: int) -> None:
    num_bytes = sum(info.file_size for info in infos)
    if num_bytes > MAX_GROWTH * num_packed:
        raise DataError(f"its {num_packed:,} bytes would become {num_bytes:,}, more than images do")


def _refuse_long_list(archive: Path) -> None:
    """Refuse an archive whose list of files alone would fill the memory."""
    with archive.open("rb") as file:
        file.seek(-min(_TAIL, archive.stat().st_size), os.SEEK_END)
        tail = file.read()
    for found in re.finditer(_END_RECORD, tail):
        start = found.start()
        is_large = tail[max(0, start - 20) : start].startswith(_END_RECORD_64)  # the form for more than 65,535 files
        if is_large or int.from_bytes(tail[start + 12 : start + 16], "little") > MAX_DIRECTORY:
            raise DataError(f"its list of files is longer than that of {MAX_FILES:,} files")


def _without_test_images(members: list[_Member]) -> list[_Member]:
    held_out = {(member.info.CRC, member.info.file_size) for member in members if member.split.startswith("test")}
    return [
        member
        for member in members
        if member.split.startswith("test") or (member.info.CRC, member.info.file_size) not in held_out
    ]


def _content(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Return the content of a file in pieces; zipfile ends at the size it said, and then holds it to its checksum."""
    with _reasons():
        file = opened.open(info)
    with file:
        while True:
            with _reasons():
                chunk = file.read(CHUNK)
            if not chunk:
                return
            yield chunk


@contextmanager
def _reasons() -> Iterator[None]:
    """Within: whatever a damaged archive raises becomes a DataError of one line."""
    try:
        yield
    except _UNREADABLE as problem:
        reason = str(problem).partition("\n")[0] or type(problem).__name__
        raise DataError(f"it cannot be read as a zip archive ({reason})") from None
