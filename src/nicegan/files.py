"""Writing files so that a reader, or a crash, never meets half of one: beside the place, flushed, renamed."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file at `path` by one with this content, whole or not at all.

    Raises:
        OSError: the disk is full or the place cannot be written; the old file is untouched.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_flushed(beside, content)
        beside.replace(path)
    except OSError as problem:
        raise OSError(problem.errno, problem.strerror, str(path)) from None
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_flushed(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` last through a power cut, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
