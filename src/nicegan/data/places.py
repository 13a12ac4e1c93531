"""Where images lie: what a user named, found as image files (to be decoded once) or as tar shards (to be streamed)."""

from __future__ import annotations

import glob
import itertools
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nicegan.config import is_url
from nicegan.data.catalogue import SPLITS, named_folder, not_a_folder
from nicegan.data.folders import SUFFIXES, described, find_images
from nicegan.data.remote import matching_urls
from nicegan.errors import DataError

MAX_SHARDS = 1_000_000  # of one domain: more is a slip of the pen
_BRACES = re.compile(r"(\{\d{1,18}\.\.\d{1,18}\}|\{[^{}]*,[^{}]*\})")


class Files(NamedTuple):
    """Image files: those below a folder, or those a text list names; and what in the folder is none, in a line."""

    named: str
    paths: list[Path]
    passed_over: str | None = None

    @property
    def note(self) -> str | None:
        """What the folder holds besides, for people; None if nothing."""
        return f"{self.named}: {self.passed_over}" if self.passed_over else None


class Tars(NamedTuple):
    """Tar shards, by local path or URL, in the order in which they were named."""

    named: str
    urls: list[str]


ImageSource = Files | Tars


class Dataset(NamedTuple):
    """The images of both domains. Test images may be missing."""

    train_a: ImageSource
    train_b: ImageSource
    test_a: ImageSource | None
    test_b: ImageSource | None


def find_dataset(data: Path | None, domain_a: str | None, domain_b: str | None) -> Dataset:
    """Return the images of a dataset folder, which may be a fetched set's name, or of two sources (see `find_source`).

    Raises:
        DataError: a source that is missing or empty, or the same source for both domains.
    """
    if data is not None and (domain_a or domain_b):
        raise DataError("give a dataset folder, or --domain-a and --domain-b, not both")
    if data is not None:
        return _find_splits(named_folder(data))
    if domain_a is None or domain_b is None:
        raise DataError("no data: give a dataset folder (with trainA, trainB), or both --domain-a and --domain-b")
    sources = find_source(domain_a), find_source(domain_b)
    _refuse_same("domains A and B", *sources)
    return Dataset(*sources, None, None)


def _find_splits(data: Path) -> Dataset:
    if not data.is_dir():
        raise DataError(not_a_folder(data))
    found = {name: find_split(data, name) for name in SPLITS}
    missing = [name for name in SPLITS[:2] if not found[name]]
    if missing:
        there = ", ".join(sorted(path.name for path in data.iterdir())[:8]) or "nothing"
        raise DataError(
            f"{data} has no {' and no '.join(missing)} (it has {there}); a dataset holds trainA and trainB, and "
            "testA and testB for held-out images, each a folder, a list trainA.txt or tar shards trainA*.tar; or name "
            "two sources with --domain-a and --domain-b"
        )
    train_a, train_b, test_a, test_b = found.values()
    assert train_a is not None
    assert train_b is not None
    _refuse_same(f"{data}: trainA and trainB", train_a, train_b)
    return Dataset(train_a, train_b, test_a, test_b)


def find_split(data: Path, name: str) -> ImageSource | None:
    """Return the one kind of source that holds a split of a dataset folder ("trainA", "testB" ...).

    None if there is none, or only an empty folder of test images.

    Raises:
        DataError: there is more than one kind, or one that holds nothing.
    """
    folder, text, tars = data / name, data / f"{name}.txt", sorted(map(str, data.glob(f"{name}*.tar")))
    kinds = {f"folder {name}": folder.is_dir(), f"list {name}.txt": text.is_file(), f"shards {name}*.tar": bool(tars)}
    there = [kind for kind, is_there in kinds.items() if is_there]
    if len(there) > 1:
        raise DataError(f"{data} has the {' and the '.join(there)}: leave one, so that it is clear which is meant")
    if tars:
        return Tars(str(data / f"{name}*.tar"), tars)
    if text.is_file():
        return _listed(text)
    is_empty_test = name.startswith("test") and folder.is_dir() and not find_images(folder)
    return _in_folder(folder) if folder.is_dir() and not is_empty_test else None


def find_source(named: str) -> ImageSource:
    """What a user named: a folder, a list (.txt), tar shards (one, "a-{00..12}.tar" or "a-*.tar"), or a URL of shards.

    Raises:
        DataError: nothing like that is there.
    """
    if "\0" in named:
        raise DataError(f"{named!r} cannot be a path")
    named = named.removeprefix("file://")
    path = Path(named)
    if re.search(r"\.(tgz|tar\.\w+)$", named):
        raise DataError(f"{named} is compressed, so nothing in it can be found by its place: unpack it to a .tar")
    if is_url(named):
        if not named.partition("?")[0].endswith(".tar"):
            raise DataError(f"{named}: a URL must name tar shards (.tar); folders and lists must be local")
        return Tars(named, _expanded(named))
    if path.is_dir():
        return _in_folder(path)
    if path.suffix == ".txt" and path.exists():
        return _listed(path)
    if path.suffix == ".tar":
        return Tars(named, [named] if path.exists() else _expanded(named))
    raise DataError(f"{named} is not a folder, a list of images (.txt) or tar shards (.tar)")


def _in_folder(folder: Path) -> Files:
    passed_over: Counter[str] = Counter()
    if images := find_images(folder, passed_over):
        return Files(str(folder), images, described(passed_over))
    said = f"; {found}" if (found := described(passed_over)) else ""
    raise DataError(f"{folder} holds no images ({', '.join(sorted(SUFFIXES))}){said}")


def _listed(path: Path) -> Files:
    """The images that a UTF-8 text names, one a line, absolute or relative to its own folder; blank lines are none."""
    if not path.is_file():
        raise DataError(f"the list {path} is not a regular file")
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as problem:
        raise DataError(f"the list {path} is not UTF-8 text (byte {problem.start}): save it as UTF-8") from None
    except OSError as problem:
        raise DataError(f"the list {path} cannot be read: {problem.strerror}") from None
    names = [line.rstrip("\r") for line in lines if line.strip()]
    if not names:
        raise DataError(f"the list {path} names no images: write one path a line")
    return Files(str(path), [path.parent / name for name in names])


def _expanded(named: str) -> list[str]:
    """Return every shard that a name with braces or a glob stands for; a name with neither is the shard itself."""
    urls: list[str] = []
    for name in expand_braces(named):
        if is_url(name):
            urls += matching_urls(name) if "*" in name else [name]
        else:
            urls += sorted(glob.glob(name)) if glob.has_magic(name) and not os.path.exists(name) else [name]
    if not urls:
        raise DataError(f"no tar shard matches {named}")
    return urls


def expand_braces(pattern: str) -> list[str]:
    """Return the names a pattern stands for, as in a shell: "{08..11}" counts with leading zeros, "{day,night}" lists.

    Raises:
        DataError: none, or more than MAX_SHARDS.
    """
    choices = [_choices(part) for part in _BRACES.split(pattern)]
    count = math.prod(len(choice.values) for choice in choices)
    if not 0 < count <= MAX_SHARDS:
        raise DataError(f"{pattern} stands for {count:,} shards: from 1 to {MAX_SHARDS:,} are possible")
    texts = ([str(value).zfill(choice.num_digits) for value in choice.values] for choice in choices)
    return ["".join(chosen) for chosen in itertools.product(*texts)]


class _Choices(NamedTuple):
    """What one part of a pattern can be; numbers are written with at least so many digits."""

    values: Sequence[int] | Sequence[str]
    num_digits: int = 0


def _choices(part: str) -> _Choices:
    if not _BRACES.fullmatch(part):
        return _Choices([part])
    first, dots, last = part[1:-1].partition("..")
    if not (dots and first.isdigit() and last.isdigit()):
        return _Choices(part[1:-1].split(","))
    is_padded = any(len(number) > 1 and number[0] == "0" for number in (first, last))
    return _Choices(range(int(first), int(last) + 1), max(len(first), len(last)) if is_padded else 0)


def _refuse_same(what: str, one: ImageSource, other: ImageSource) -> None:
    """Whether two domains share their folder, their list or a shard."""
    if shared := sorted(_identities(one) & _identities(other)):
        kind = "shard" if isinstance(one, Tars) else "folder" if os.path.isdir(shared[0]) else "list"
        raise DataError(f"{what} name the same {kind}, {shared[0]}: there is nothing to translate")
    for outer, inner in ((one, other), (other, one)):
        if isinstance(outer, Files) and isinstance(inner, Files) and is_inside(inner.named, outer.named):
            raise DataError(f"{what}: {inner.named} lies inside {outer.named}, whose images hold its images: move it")


def is_inside(path: str | Path, folder: str | Path) -> bool:
    """Return whether a path lies in a folder, at any depth."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)) and os.path.isdir(folder)


def _identities(source: ImageSource) -> set[str]:
    named = source.urls if isinstance(source, Tars) else [source.named]
    return {name if is_url(name) else os.path.realpath(name) for name in named}
