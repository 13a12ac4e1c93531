"""nicegan cache: what decoded images and features take of the disk, and how to have it back."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import tyro
from pydantic import Field

from nicegan.cli.parse import parse
from nicegan.config import Frozen


class CacheArguments(Frozen):
    """List or remove what nicegan keeps to save time: decoded images, features of image sets, downloaded networks.

    nicegan cache list

    nicegan cache clear --unused-for 30

    Decoded images stay within NICEGAN_CACHE_GB gigabytes (100 if not set): the longest unused are removed first.
    """

    action: Annotated[Literal["list", "clear"], tyro.conf.Positional]
    """list shows every entry; clear removes them."""
    unused_for: Annotated[float, Field(ge=0), tyro.conf.arg(metavar="DAYS")] = 0
    """Only entries that nobody has used for so many days."""


def run(arguments: list[str]) -> int:
    """List or clear the cache; returns the exit code."""
    given = parse(CacheArguments, arguments, "cache")

    from datetime import datetime

    from nicegan.data.cache_entries import cache_folder, entries, remove, unused_for

    chosen = [entry for entry in entries(cache_folder()) if unused_for(entry, given.unused_for)]
    for entry in chosen:
        if given.action == "clear":
            remove(entry)
        else:
            used = datetime.fromtimestamp(entry.used).isoformat(" ", "minutes")
            sys.stdout.write(f"{entry.num_bytes / 1e6:12,.1f} MB  {used}  {entry.kind:8}  {entry.path.name}\n")
    total = sum(entry.num_bytes for entry in chosen) / 1e6
    what = "removed from" if given.action == "clear" else "in"
    noun = "entry" if len(chosen) == 1 else "entries"
    sys.stdout.write(f"{len(chosen)} {noun}, {total:,.1f} MB, {what} {cache_folder()}\n")
    return 0
