"""Tar shards after the WebDataset convention, read one member after the other, without unpacking them.

Members that follow each other and share folder and name up to the first dot are one sample; its image is the first of
them with an image suffix. Everything else (labels, folders, links, devices, hidden files) is passed over.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from nicegan.config import is_url
from nicegan.data.folders import MAX_PIXELS, SUFFIXES, listing
from nicegan.data.remote import RemoteFile
from nicegan.errors import DataError

MAX_MEMBER_BYTES = 3 * MAX_PIXELS  # the largest image that is allowed, not compressed at all
MAX_HEADER_BYTES = 1 << 20  # of one member; a path takes 2 KiB at most
BLOCK = tarfile.BLOCKSIZE
_DAMAGED = (  # what tarfile raises for bytes that are no tar
    tarfile.TarError,
    OSError,
    ValueError,
    LookupError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)


class Sample(NamedTuple):
    """One image in a shard: where its member's headers begin, where its content does, and its size, in bytes."""

    url: str
    name: str
    header: int
    start: int
    size: int

    def __str__(self) -> str:
        return f"{self.url}/{self.name}"


class Tar:
    """A shard, open for reading.

    Raises:
        DataError: it cannot be opened; or, while reading, it is damaged or no tar, with its name and the offset.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self._file = RemoteFile(url) if is_url(url) else open(url, "rb")  # noqa: SIM115  closed by close()
        except OSError as problem:
            raise DataError(f"tar shard {url} cannot be opened: {problem.strerror}") from None

    def close(self) -> None:
        self._file.close()

    def samples(self, offset: int = 0) -> Iterator[Sample]:
        """Return the images from the member at byte `offset` on. Between two of them, `content` may be called."""
        key, has_image = None, False
        for member in self._members(offset):
            if not member.isreg() or member.issparse():
                continue
            folder, _, name = member.name.rpartition("/")
            if (folder, name.partition(".")[0]) != key:
                key, has_image = (folder, name.partition(".")[0]), False
            is_image = os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")
            if is_image and not has_image:
                has_image = True
                yield Sample(self.url, member.name, member.offset, member.offset_data, member.size)

    def content(self, sample: Sample) -> bytes:
        """Return the bytes of an image, all of them."""
        try:
            self._file.seek(sample.start)
            content = self._file.read(sample.size)
        except OSError as problem:
            raise self._damaged(sample.start, problem) from None
        if len(content) < sample.size:
            raise self._damaged(sample.start + len(content), "it ends within an image")
        return content

    def _members(self, offset: int) -> Iterator[tarfile.TarInfo]:
        """Every member from byte `offset` on; tarfile itself takes some damage for the end, so the end is looked at."""
        position = offset
        try:
            self._file.seek(offset)
            headers = _Headers(self._file)
            tar = tarfile.TarFile(fileobj=headers, mode="r")  # pyright: ignore[reportArgumentType]
            while member := tar.next():
                if not position <= member.offset < member.offset_data <= tar.offset:
                    raise tarfile.ReadError("sizes that cannot be")
                position = tar.offset
                tar.members = []  # pyright: ignore[reportAttributeAccessIssue]  tarfile would remember them all
                tar.pax_headers = {}  # so that a member reads the same wherever reading began
                yield member
                headers.spent = 0
            self._file.seek(tar.offset)
            end = self._file.read(BLOCK)
        except _DAMAGED as problem:
            raise self._damaged(position, problem) from None
        if len(end) < BLOCK or any(end):
            raise self._damaged(tar.offset, "no header" if any(end) else "its end is missing")

    def _damaged(self, position: int, reason: object) -> DataError:
        text = str(reason).partition("\n")[0] or type(reason).__name__
        return DataError(f"tar shard {self.url} is cut off, damaged or no tar (byte {position}: {text}): write it anew")


class _Headers:
    """A file for tarfile that gives a member at most MAX_HEADER_BYTES: what tarfile reads into memory has no bound."""

    def __init__(self, file: object) -> None:
        self._file = file
        self.spent = 0
        self.seek = file.seek  # pyright: ignore[reportAttributeAccessIssue]
        self.tell = file.tell  # pyright: ignore[reportAttributeAccessIssue]

    def read(self, size: int) -> bytes:
        self.spent += max(size, BLOCK)  # also at the end of the file, where tarfile may ask for ever
        if size < 0 or self.spent > MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of more than {MAX_HEADER_BYTES:,} bytes")
        return self._file.read(size)  # pyright: ignore[reportAttributeAccessIssue]


def read_content(sample: Sample) -> bytes:
    """Return the bytes of one image, its shard opened for it alone."""
    tar = Tar(sample.url)
    try:
        return tar.content(sample)
    finally:
        tar.close()


def contents(urls: Sequence[str]) -> Iterator[tuple[Sample, bytes | None]]:
    """Return the images of shards, one shard after the other, with their content unless it is too large."""
    for url in urls:
        with closing(Tar(url)) as tar:
            for sample in tar.samples():
                yield sample, tar.content(sample) if sample.size <= MAX_MEMBER_BYTES else None


def refuse_broken_shards(urls: Sequence[str]) -> None:
    """Look at both ends of every local shard; URLs are looked at when they are read.

    Raises:
        DataError: shards that are missing, cut off or no tar; all are listed.
    """
    found = {url: _why_not(Path(url)) for url in urls if not is_url(url)}
    broken = {url: reason for url, reason in found.items() if reason}
    if broken:
        way_out = "put them there, or write them anew"
        raise DataError(f"{len(broken)} of {len(urls)} tar shards cannot be used: {way_out}\n{listing(broken)}")


def _why_not(path: Path) -> str | None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            return "not a regular file"
        with path.open("rb") as file:
            first = file.read(BLOCK)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - BLOCK))
            last = file.read(BLOCK)
    except OSError as problem:
        return problem.strerror or str(problem)
    if first and any(first):
        try:
            tarfile.TarInfo.frombuf(first, "utf-8", "surrogateescape")
        except tarfile.HeaderError as problem:
            return f"not an uncompressed tar ({problem})"
    return "cut off: its end is missing" if size < 2 * BLOCK or any(last) else None
