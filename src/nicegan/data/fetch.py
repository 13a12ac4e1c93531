"""Fetching a known data set: downloaded, checked, unpacked beside its place and renamed, so that it is there or not.

A process that is killed anywhere leaves nothing that the next one cannot go on from, and of several processes one works
while the others wait.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from nicegan.config import whole_path
from nicegan.data.archive import unpack
from nicegan.data.catalogue import (
    RECORD,
    SPLITS,
    WORK,
    FetchedSet,
    KnownSet,
    datasets_folder,
    known_set,
    measure,
    read_record,
)
from nicegan.download import Downloaded, download
from nicegan.errors import DataError
from nicegan.files import sync_folder, write_flushed


class Watch(NamedTuple):
    """Who is told what happens: lines for people, and how many of how many bytes or images are done."""

    say: Callable[[str], object] = lambda line: sys.stderr.write(f"{line}\n")
    progress: Callable[[int, int], None] = lambda done, total: None


def fetch_dataset(name: str, to: str | Path | None = None, watch: Watch = Watch()) -> Path:  # noqa: B008
    """Return the folder of a known data set, fetched if it is not there; an interrupted fetch goes on.

    Args:
        name: one of `nicegan data list`.
        to: the folder to put the set's own folder in; NICEGAN_DATA, or datasets in the cache, if not given.
        watch: is told of the source and licence before anything is fetched, and of the progress.

    Raises:
        ConfigError: no such name.
        DataError: no network, a wrong size or checksum, a hostile archive, no space, or something in the way.
    """
    known = known_set(name)
    parent = datasets_folder() if to is None else whole_path(Path(to))
    if fetched := _whole(parent / name):
        watch.say(f"{name} is there: {described(known, fetched)}")
        return fetched.folder
    work = parent / WORK
    try:
        work.mkdir(parents=True, exist_ok=True)
        with _alone(work / f"{name}.lock", name, watch):
            fetched = _whole(parent / name) or _fetch(known, parent, watch)
            (work / f"{name}.zip").unlink(missing_ok=True)
    except OSError as problem:
        where = problem.filename or parent
        raise DataError(f"cannot write {where}: {problem.strerror or problem}; name a folder with --to") from None
    watch.say(f"{name}: {described(known, fetched)}")
    return fetched.folder


def described(known: KnownSet, fetched: FetchedSet) -> str:
    """Return in a line what is there, and how it differs from what was expected."""
    counts, num_bytes = fetched.content
    train, test = (f"{counts[f'{kind}A']:,} + {counts[f'{kind}B']:,}" for kind in ("train", "test"))
    text = f"{train} training and {test} test images, {num_bytes / 1e6:,.1f} MB, in {fetched.folder}"
    expected = dict(zip(SPLITS, known.counts or counts.values(), strict=True))
    other = [f"{split} should hold {expected[split]:,}" for split in SPLITS if counts[split] != expected[split]]
    return f"{text}; warning: this is not the usual split: {', '.join(other)}" if other else text


def _whole(folder: Path) -> FetchedSet | None:
    """Return what was fetched into a folder; None if nothing is there.

    Raises:
        DataError: it is damaged, or something else is in its place.
    """
    if fetched := read_record(folder):
        if damage := fetched.damage():
            raise DataError(f"{folder} is no longer what was fetched ({damage}): remove it, and get it again")
        return fetched
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is in the way, and was not fetched by nicegan: move it, or name a folder with --to")
    return None


@contextmanager
def _alone(path: Path, name: str, watch: Watch) -> Iterator[None]:
    """Within: no other process fetches this set. The system frees the lock of a process that is killed."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        watch.say(f"another process fetches {name}: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fetch(known: KnownSet, parent: Path, watch: Watch) -> FetchedSet:
    """Download and unpack a set; its folder is there afterwards."""
    work, folder = parent / WORK, parent / known.name
    archive, beside = work / f"{known.name}.zip", work / f"{known.name}.unpacking"
    for line in announcement(known, folder):
        watch.say(line)
    _refuse_no_space(known, archive)
    found = download(known.urls, archive, sha256=known.sha256, size=known.num_bytes, progress=watch.progress)
    shutil.rmtree(beside, ignore_errors=True)
    try:
        unpack(archive, beside, holds_out=known.holds_out, progress=watch.progress)
        write_flushed(beside / RECORD, _record(known, found, beside))
        beside.rename(folder)
    except DataError as problem:
        archive.unlink()
        if not found.verified:
            archive.with_name(f"{archive.name}.sha256").unlink(missing_ok=True)
        raise DataError(f"the archive of {known.name} is refused and removed: {problem}; try again later") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    sync_folder(parent)
    if known.sha256 is None:
        agrees = "is the one of the first fetch" if found.verified else "is recorded, for later fetches"
        watch.say(
            f"{known.name} could not be verified: no checksum is known to us; the one seen, {found.sha256}, {agrees}"
        )
    fetched = read_record(folder)
    assert fetched is not None
    return fetched


def announcement(known: KnownSet, folder: Path) -> list[str]:
    """Return where a set comes from and whose it is, in lines."""
    first, *mirrors = known.urls
    size = f"{known.num_bytes / 1e6:,.1f} MB" if known.num_bytes else "size unknown"
    also = f" (mirror: {', '.join(mirrors)})" if mirrors else ""
    return [f"{known.name}: {size} from {first}{also}, into {folder}", f"licence: {known.source}"]


def _refuse_no_space(known: KnownSet, archive: Path) -> None:
    """Raise DataError if the disk cannot hold the rest of the archive, and its images beside it."""
    part = archive.with_name(f"{archive.name}.part")
    have = sum(path.stat().st_size for path in (archive, part) if path.is_file())
    free = shutil.disk_usage(archive.parent).free
    if known.num_bytes and (needed := 2 * known.num_bytes - have) > free:
        raise DataError(
            f"{known.name} needs {needed / 1e6:,.1f} MB to be unpacked, but {archive.parent.parent} has "
            f"{free / 1e6:,.1f} MB free: name a folder on a larger disk with --to"
        )


def _record(known: KnownSet, found: Downloaded, folder: Path) -> bytes:
    content = measure(folder)
    record = {
        "name": known.name,
        "addresses": known.urls,
        "licence": known.source,
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": found.sha256,
        "checksum_was_known": known.sha256 is not None,
        "images": content.counts,
        "bytes": content.num_bytes,
    }
    return f"{json.dumps(record, indent=1)}\n".encode()
