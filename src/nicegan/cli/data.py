"""nicegan data: the benchmark data sets by name."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from nicegan.cli.parse import parse
from nicegan.config import Frozen, whole_path
from nicegan.errors import ConfigError

if TYPE_CHECKING:
    from nicegan.data.catalogue import KnownSet


class DataArguments(Frozen):
    """List the benchmark data sets that can be fetched by name, or fetch some.

    nicegan data list

    nicegan data get horse2zebra

    nicegan train horse2zebra

    A fetched set is found by its name where a command asks for a dataset folder; a folder of that name in the working
    directory comes first. An interrupted get goes on. Size and checksum are checked, and images alone are unpacked.
    Sets are kept in NICEGAN_DATA, or in datasets in the cache; to be rid of one, remove its folder.
    """

    action: Annotated[Literal["list", "get"], tyro.conf.Positional]
    """list shows every set, and which are here; get fetches."""
    names: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Sets to get."""
    to: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Keep each set in DIR/NAME instead, to be named by that path; list shows what is there."""


def run(arguments: list[str]) -> int:
    """List or fetch; returns the exit code."""
    given = parse(DataArguments, arguments, "data")
    if given.action == "list":
        if given.names:
            raise ConfigError(f"nicegan data list takes no names: to fetch one, nicegan data get {given.names[0]}")
        sys.stdout.write(listing(given.to))
        return 0

    from nicegan.data.catalogue import CATALOGUE, known_set

    if not given.names:
        raise ConfigError(f"name the data sets to get: {', '.join(CATALOGUE)}")
    for name in given.names:
        known_set(name)
    for name in dict.fromkeys(given.names):
        get(name, given.to)
    return 0


def get(name: str, to: Path | None) -> None:
    """Fetch one set, with a bar."""
    from functools import partial

    from rich.console import Console

    from nicegan.cli.progress import bar
    from nicegan.console import say
    from nicegan.data.fetch import Watch, fetch_dataset

    console = Console(stderr=True)
    with bar(console, name) as progress:
        folder = fetch_dataset(name, to, Watch(partial(say, console), progress))
    say(console, f"train on it: nicegan train {name if to is None else shlex.quote(str(folder))}")


def listing(to: Path | None) -> str:
    """Return every known set in a line, and which are here."""
    from nicegan.data.catalogue import CATALOGUE, datasets_folder

    parent = datasets_folder() if to is None else whole_path(to)
    head = ("name", "train A + B", "test A + B", "archive", "checksum", "here")
    rows = [head, *(_row(known, parent) for known in CATALOGUE.values())]
    text = "".join("{:<23} {:>13} {:>11} {:>12}  {:<9} {}".format(*row).rstrip() + "\n" for row in rows)
    return (
        f"{text}kept in {parent}; a checksum that is not known is recorded at the first fetch; ? is not known before\n"
    )


def _row(known: KnownSet, parent: Path) -> tuple[str, ...]:
    from nicegan.data.catalogue import WORK, read_record

    fetched = read_record(parent / known.name)
    counts = tuple(fetched.content.counts.values()) if fetched else known.counts
    train, test = (f"{a:,} + {b:,}" for a, b in (counts[:2], counts[2:])) if counts else ("?", "?")
    archive = parent / WORK / f"{known.name}.zip"
    size = f"{known.num_bytes / 1e6:,.1f} MB" if known.num_bytes else "?"
    recorded = archive.with_name(f"{archive.name}.sha256").is_file()
    checksum = "known" if known.sha256 else "recorded" if recorded else "not known"
    begun = [path for path in (archive.with_name(f"{archive.name}.part"), archive) if path.is_file()]
    here = f"begun: {begun[0].stat().st_size / 1e6:,.1f} MB" if begun else "no"
    if fetched:
        here = f"{fetched.content.num_bytes / 1e6:,.1f} MB" + (
            f", but {damage}" if (damage := fetched.damage()) else ""
        )
    return known.name, train, test, size, checksum, here
