"""Commands of several parts, such as nicegan study create: which part is asked for, and what it does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from nicegan.cli.parse import parse
from nicegan.errors import ConfigError


class Part(NamedTuple):
    """One part of a command: its arguments, its line in the help, and the function that takes the arguments."""

    arguments: type[BaseModel]
    purpose: str
    do: Callable[[Any], int]


def run_part(command: str, parts: Mapping[str, Part], arguments: list[str]) -> int:
    """Do the part of a command that the arguments name; returns the exit code."""
    if arguments and arguments[0] in ("-h", "--help"):
        sys.stdout.write(usage(command, parts))
        return 0
    given = read_part(command, parts, arguments)
    return parts[arguments[0]].do(given)


def read_part(command: str, parts: Mapping[str, Part], arguments: list[str]) -> BaseModel:
    """Return the arguments of the part that the first argument names.

    Raises:
        ConfigError: no part, no such part, or arguments that it does not take.
    """
    if not arguments:
        raise ConfigError(f"say which part: nicegan {command} {' or '.join(parts)}")
    name, *rest = arguments
    if name not in parts:
        raise ConfigError(f"nicegan {command} has the parts {', '.join(parts)}; not {name!r}")
    return parse(parts[name].arguments, rest, f"{command} {name}")


def usage(command: str, parts: Mapping[str, Part]) -> str:
    """Return what `nicegan COMMAND --help` prints."""
    width = max(map(len, parts))
    rows = "\n".join(f"  {name:<{width}}  {part.purpose}" for name, part in parts.items())
    return f"usage: nicegan {command} PART ...\n\nparts:\n{rows}\n\nnicegan {command} PART --help says more.\n"
