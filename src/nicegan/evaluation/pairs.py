"""Which image of one set belongs to which of another: by their paths inside their folders, however they are stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from nicegan.errors import DataError

NUM_NAMED = 5
Reading = Callable[[str], str]


def _without_suffix(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


READINGS: tuple[tuple[Reading, Reading], ...] = (  # how ours and theirs are read; the first that finds one holds
    (str, str),
    (_without_suffix, str),  # cat.jpg.png is a translation of cat.jpg
    (str, _without_suffix),
    (_without_suffix, _without_suffix),
    (lambda name: _without_suffix(name).casefold(), str.casefold),
    (lambda name: _without_suffix(name).casefold(), lambda name: _without_suffix(name).casefold()),
)


def partners(ours: Sequence[str], theirs: Sequence[str], where: str, there: str) -> list[int]:
    """Return the index in `theirs` of the image that belongs to each of `ours`.

    Args:
        ours: paths inside a folder, or other names; no two alike.
        theirs: likewise.
        where: what holds ours, in words.
        there: what holds theirs, in words.

    Raises:
        DataError: one of ours has no partner or several, or shares one with another of ours; some are named.
    """
    found: dict[str, int] = {}
    for read_ours, read_theirs in READINGS:
        indices: dict[str, list[int]] = {}
        for index, name in enumerate(theirs):
            indices.setdefault(read_theirs(name), []).append(index)
        open_names = [name for name in ours if name not in found]
        readings = [read_ours(name) for name in open_names]
        several = [n for n, reading in zip(open_names, readings, strict=True) if len(indices.get(reading, ())) > 1]
        if several:
            listed = ", ".join(f"{theirs[index]!r}" for index in indices[read_ours(several[0])])
            raise DataError(
                f"{where}: {several[0]!r} could belong to {listed} in {there}: give them names of their own"
            )
        found |= {n: indices[reading][0] for n, reading in zip(open_names, readings, strict=True) if reading in indices}
    _refuse_lonely([name for name in ours if name not in found], len(ours), where, there)
    _refuse_shared(found, theirs, where, there)
    return [found[name] for name in ours]


def _refuse_lonely(lonely: list[str], count: int, where: str, there: str) -> None:
    if lonely:
        listed = ", ".join(map(repr, lonely[:NUM_NAMED])) + (" ..." if len(lonely) > NUM_NAMED else "")
        raise DataError(f"{len(lonely)} of {count} images in {where} have none of their name in {there}: {listed}")


def _refuse_shared(found: dict[str, int], theirs: Sequence[str], where: str, there: str) -> None:
    owners: dict[int, list[str]] = {}
    for name, index in found.items():
        owners.setdefault(index, []).append(name)
    shared = [(names, index) for index, names in owners.items() if len(names) > 1]
    if shared:
        listed = "; ".join(f"{', '.join(map(repr, n))} to {theirs[p]!r}" for n, p in shared[:NUM_NAMED])
        raise DataError(f"several images in {where} belong to one in {there}: {listed}")
