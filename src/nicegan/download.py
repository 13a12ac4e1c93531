"""Downloading one file: interrupted downloads go on, and nothing is used whose size or checksum is wrong.

A file of unknown checksum is trusted at its first use: the checksum it then had is recorded beside it, and later uses
are held to that.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from nicegan.errors import DataError
from nicegan.files import sync_folder, write_atomically

CHUNK = 1 << 20  # bytes
TIMEOUT_SECONDS = 30  # without a sign of the server
RANGE_NOT_SATISFIABLE, PARTIAL_CONTENT = 416, 206
Progress = Callable[[int, int], None]


class Downloaded(NamedTuple):
    """A file that is whole; `verified` if its checksum was known before it was first used here."""

    path: Path
    sha256: str
    verified: bool


class _Offer(NamedTuple):
    """What a server is about to send: from which byte on, of how many in all (None if it does not say)."""

    first: int
    total: int | None
    tag: str


def download(
    urls: str | Sequence[str],
    path: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Downloaded:
    """Return the file at `path`, fetched from the first of `urls` that has it unless it is there.

    Args:
        urls: the file's address, or that and its mirrors: where one breaks off, the next goes on.
        sha256, size: what the file must have, where that is known; size in bytes.
        progress: told how many of how many bytes are there (0 of an unknown number).

    Raises:
        DataError: no network, an interrupted download (the next call goes on with it), a wrong size or checksum.
    """
    urls = [urls] if isinstance(urls, str) else urls
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            _fetch_from_any(urls, path, sha256, size, progress)
        return _checked(urls[0], path, sha256, size)
    except OSError as problem:
        raise DataError(f"cannot write {problem.filename or path}: {problem.strerror or problem}") from None


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked(url: str, path: Path, sha256: str | None, size: int | None) -> Downloaded:
    """Hold the file to what is known of it, or to what it was when it was first used."""
    record = path.with_name(f"{path.name}.sha256")
    recorded = record.read_text(encoding="utf-8").strip() if record.is_file() else None
    known, seen = sha256 or recorded, sha256_of(path)
    if size is not None and path.stat().st_size != size:
        raise DataError(f"{path} has {path.stat().st_size} bytes, not {size}: remove it, to download {url} anew")
    if known is not None and seen != known:
        both = "it" if sha256 else f"it (and {record.name}, if the file is meant to be another one now)"
        raise DataError(f"{path} has the checksum {seen}, not {known}: remove {both}, to download {url} anew")
    if known is None:
        write_atomically(record, f"{seen}\n".encode())
    return Downloaded(path, seen, verified=known is not None)


def _fetch_from_any(urls: Sequence[str], path: Path, sha256: str | None, size: int | None, progress: Progress) -> None:
    """Try the addresses in turn; if none gives the file, say what is wrong with each."""
    problems: list[str] = []
    for url in urls:
        try:
            return _fetch(url, path, sha256, size, progress)
        except DataError as problem:
            problems.append(str(problem))
    way_out = f"; {_by_hand(path)}"
    raise DataError("; ".join([*(problem.removesuffix(way_out) for problem in problems[:-1]), problems[-1]]))


def _fetch(url: str, path: Path, sha256: str | None, size: int | None, progress: Progress) -> None:
    """Download into `path`.part, going on with what lies there, and rename it once it is whole."""
    part, note = (path.with_name(f"{path.name}{suffix}") for suffix in (".part", ".part.tag"))
    have = part.stat().st_size if part.is_file() else 0
    try:
        with _open(url, have, note, is_known=sha256 is not None) as answer:
            offer = _offer(answer, have)
            if offer.first > have:  # a server that cannot count: without a part it is not asked to
                part.unlink()
                return _fetch(url, path, sha256, size, progress)
            if size is not None and offer.total not in (None, size):
                raise DataError(f"{url} has {offer.total} bytes where {size} are expected: it is another file")
            note.write_text(f"{offer.tag}\n{url}", encoding="utf-8")
            have = _append(answer, part, offer, size, progress)
    except HTTPError as problem:
        if problem.code == RANGE_NOT_SATISFIABLE and have:
            part.unlink()
            return _fetch(url, path, sha256, size, progress)
        raise DataError(f"cannot download {url}: {problem.code} {problem.reason}; {_by_hand(path)}") from None
    except (URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as problem:
        reason = getattr(problem, "reason", None) or problem or type(problem).__name__
        reason = getattr(reason, "strerror", None) or reason
        raise DataError(f"cannot download {url}: {reason}; {_by_hand(path)}") from None
    if offer.total is not None and have < offer.total:
        raise DataError(f"the download of {url} broke off at {have} of {offer.total} bytes: try again, it will go on")
    _accept(url, part, path, sha256, size if size is not None else offer.total)
    note.unlink(missing_ok=True)
    return None


def _open(url: str, have: int, note: Path, *, is_known: bool) -> http.client.HTTPResponse:
    """Ask for the bytes after the first `have`, or for all if the file there is another one by now.

    What another address sent is gone on with only if the checksum is known, which tells whether both have one file.
    """
    headers = {"User-Agent": "nicegan", "Accept-Encoding": "identity"}
    tag, _, origin = note.read_text(encoding="utf-8").partition("\n") if note.is_file() else ("", "", "")
    if have and (is_known or origin in ("", url)):
        headers["Range"] = f"bytes={have}-"
        if tag and origin in ("", url):
            headers["If-Range"] = tag
    return urlopen(Request(url, headers=headers), timeout=TIMEOUT_SECONDS)  # noqa: S310


def _offer(answer: http.client.HTTPResponse, have: int) -> _Offer:
    length = answer.headers.get("Content-Length", "")
    rest = int(length) if length.isdigit() else None
    begin = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    first = (int(begin[1]) if begin else have) if answer.status == PARTIAL_CONTENT else 0
    etag = answer.headers.get("ETag", "")
    tag = answer.headers.get("Last-Modified", "") if etag.startswith("W/") or not etag else etag
    return _Offer(first, None if rest is None else first + rest, tag)


def _append(answer: http.client.HTTPResponse, part: Path, offer: _Offer, size: int | None, progress: Progress) -> int:
    """Write what the server sends behind the offer's first byte; returns how many bytes are there then.

    A server that sends more than the expected size is not listened to for ever.
    """
    done = offer.first
    with part.open("r+b" if part.is_file() else "wb") as file:
        file.truncate(done)
        file.seek(done)
        while (size is None or done <= size) and (chunk := _read(answer, offer)):
            file.write(chunk)
            file.flush()  # what a killed process has fetched stays
            done += len(chunk)
            progress(done, offer.total or 0)
        file.flush()
        os.fsync(file.fileno())
    return done


def _read(answer: http.client.HTTPResponse, offer: _Offer) -> bytes:
    """Return bytes that have come; none at the end, or where the connection breaks and the missing bytes will tell."""
    try:
        return answer.read1(CHUNK)
    except (http.client.HTTPException, OSError) as problem:  # of the connection: nothing else is done here
        if offer.total is None:
            raise ConnectionError(str(problem) or type(problem).__name__) from None
        return b""


def _accept(url: str, part: Path, path: Path, sha256: str | None, size: int | None) -> None:
    """Rename a whole download to its path; a wrong one is removed."""
    seen_size, seen = part.stat().st_size, sha256_of(part)
    for what, found, expected in (("size", seen_size, size), ("checksum", seen, sha256)):
        if expected is not None and found != expected:
            part.unlink()
            more = " or more" if size is not None and seen_size > size else ""  # reading ended there
            raise DataError(
                f"{url} was downloaded with the {what} {found}{more}, not {expected}: removed; try again later"
            )
    part.replace(path)
    sync_folder(path.parent)


def _by_hand(path: Path) -> str:
    return f"with a network elsewhere, put the file at {path}"
