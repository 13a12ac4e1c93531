"""Where outputs go: folders keep their structure, names their stem, and no two outputs have one name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nicegan.data.folders import SUFFIXES, find_images
from nicegan.errors import DataError
from nicegan.inference.writing import AS_PNG, Writing


def numbered(target: Path, num_outputs: int) -> list[Path]:
    """Return the names of several outputs of one image, cat-1.png, cat-2.png ...; of a single one its own."""
    if num_outputs == 1:
        return [target]
    return [target.with_name(f"{target.stem}-{number}{target.suffix}") for number in range(1, num_outputs + 1)]


def plan_outputs(
    inputs: Sequence[Path],
    out: Path,
    writing: Writing = AS_PNG,
    passed_over: Counter[str] | None = None,
    num_outputs: int = 1,
) -> dict[Path, Path]:
    """Return where each input image goes, to be `numbered`: folders keep their inner structure, names their stem.

    Names that would be one file (cat.jpg and cat.png, or IMG.png and img.png on disks without case) keep their suffix
    as well. What lies in `out` is no input. An `out` that is named like an image takes one input.

    Raises:
        DataError: inputs that are missing or empty, several for one file, or an output that is an input.
    """
    found: dict[Path, Path] = {}
    for given in inputs:
        found |= _inner_paths(given, out, passed_over)
    if out.suffix.lower() in SUFFIXES and not out.is_dir():
        if len(found) != 1:
            raise DataError(f"{out} is one file, and there are {len(found)} images: name a folder with --out")
        plan = {source: out for source in found}
    else:
        plan = {source: out / name for source, name in _apart(found, writing).items()}
    sources = {os.path.realpath(path) for path in plan}  # Path.resolve breaks on a loop of links
    numbers = {(stat.st_dev, stat.st_ino) for stat in map(_stat, plan) if stat}  # another name of an input, a hard link
    for target in (one for planned in plan.values() for one in numbered(planned, num_outputs)):
        there = _stat(target)
        if os.path.realpath(target) in sources or (there and (there.st_dev, there.st_ino) in numbers):
            raise DataError(f"{target} is an input: choose another --out")
    return plan


def _inner_paths(given: Path, out: Path, passed_over: Counter[str] | None) -> dict[Path, Path]:
    """Return the images of one input, and their paths inside it."""
    if given.is_file():
        return {given: Path(given.name)}
    if not given.is_dir():
        raise DataError(f"{given} does not exist")
    inside = out.absolute() != given.absolute() and out.absolute().is_relative_to(given.absolute())
    paths = [
        path
        for path in find_images(given, passed_over)
        if not (inside and path.absolute().is_relative_to(out.absolute()))
    ]
    if not paths:
        raise DataError(f"{given} holds no images")
    return {path: path.relative_to(given) for path in paths}


def _apart(found: dict[Path, Path], writing: Writing) -> dict[Path, Path]:
    """Return the name of each output, no two alike without case."""
    names = {source: inner.with_suffix(writing.suffix(source)) for source, inner in found.items()}
    counts = Counter(str(name).casefold() for name in names.values())
    taken: set[str] = set()
    for source, name in names.items():
        if counts[str(name).casefold()] > 1:
            name = name.with_name(f"{found[source].name}{name.suffix}")
        unique, number = name, 2
        while str(unique).casefold() in taken:
            unique, number = name.with_name(f"{name.stem}_{number}{name.suffix}"), number + 1
        taken.add(str(unique).casefold())
        names[source] = unique
    return names


def _stat(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None
