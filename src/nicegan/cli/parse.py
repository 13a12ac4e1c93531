"""From arguments to checked configuration: tyro reads them, and its complaints become one line."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, TypeVar

import tyro
from pydantic import BaseModel

from nicegan.errors import ConfigError
from nicegan.nearest import did_you_mean

Arguments = TypeVar("Arguments", bound=BaseModel)
_RULES = ("─", "╰", "-----")  # with and without a terminal that knows frames
_WIDE = 4000  # columns: so that no message is broken
# AvoidSubcommands: of a union, such as the methods, the member that the default is.
_SETTINGS = (tyro.conf.FlagCreatePairsOff, tyro.conf.HelptextFromCommentsOff, tyro.conf.AvoidSubcommands)


def parse(
    kind: type[Arguments],
    arguments: list[str],
    command: str,
    default: Arguments | None = None,
    description: str | None = None,
) -> Arguments:
    """Return the arguments of `nicegan COMMAND` as an object of `kind`; prints help and exits if they ask for it.

    Raises:
        ConfigError: arguments that make no such object, in one line.
    """
    prog = f"nicegan {command}"
    empty = [name for name, value in zip(["", *arguments], arguments, strict=False) if not value]
    empty += [argument[:-1] for argument in arguments if argument.startswith("--") and argument.endswith("=")]
    if empty:
        raise ConfigError(f"the value after {empty[0] or prog} is empty (see {prog} --help)")
    if {"-h", "--help"} & set(arguments):
        sys.stdout.write(without_none(_help(kind, prog, default, description)))
        raise SystemExit(0)
    complaint = io.StringIO()
    try:
        with _columns(_WIDE), redirect_stderr(complaint):
            return _read(kind, arguments, prog, default, description)
    except SystemExit:
        said = one_line(complaint.getvalue())
        if unknown := re.match(r"Unrecognized options: (--[^\s,=]+)", said):
            flags = re.findall(r"--[a-z][\w.-]*", _help(kind, prog, default, description))
            said = f"there is no option {unknown[1]}{did_you_mean(unknown[1], flags)}"
        raise ConfigError(f"{said} (see {prog} --help)") from None


def _read(
    kind: type[Arguments], arguments: list[str], prog: str, default: Arguments | None, description: str | None
) -> Arguments:
    shared: dict[str, Any] = {"args": arguments, "prog": prog, "config": _SETTINGS, "description": description}
    return tyro.cli(kind, **shared) if default is None else tyro.cli(kind, **shared, default=default)


def _help(kind: type[BaseModel], prog: str, default: BaseModel | None, description: str | None) -> str:
    text = io.StringIO()
    with redirect_stdout(text), suppress(SystemExit):
        _read(kind, ["--help"], prog, default, description)
    return text.getvalue()


def without_none(text: str) -> str:
    """Return a help text without what only programmers know, that a value left out is None, and no wider than asked."""
    width = shutil.get_terminal_size().columns
    text = re.sub(r"\(default:[\s│]+None\)", lambda found: re.sub(r"[^\s│]", " ", found[0]), text)
    lines = [_without_none(line) for line in text.split("\n")]
    return "\n".join(textwrap.fill(line, width) if len(line) > width else line for line in lines)


def _without_none(line: str) -> str:
    if line.startswith("usage:"):
        return line.replace("{None}|", "")
    line = re.sub(r"\{None\}\|(\S+)", lambda found: found[1] + " " * len("{None}|"), line)
    return line if line.endswith("│") else line.rstrip()


@contextmanager
def _columns(count: int) -> Iterator[None]:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(count)
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def check_json(file: Path | None) -> None:
    """Whether results can be written to --json, before minutes are spent.

    Raises:
        ConfigError: it is a folder, in one that is not there, or a file of another kind that would be lost.
    """
    if file and not file.absolute().parent.is_dir():
        raise ConfigError(f"{file}: there is no such folder")
    if file and file.is_dir():
        raise ConfigError(f"{file} is a folder: name a file")
    if file and file.exists() and file.suffix.lower() != ".json" and file.is_file():
        raise ConfigError(f"{file} is there, and its name is not one of JSON: name a new file")


def one_line(box: str) -> str:
    """Return the message inside one of tyro's boxes, without the frame, the help text and pydantic's own additions."""
    _title, *lines = (line.strip("│ ") for line in box.strip().splitlines() or [""])
    kept = []
    for line in lines:
        if kept and line.startswith((*_RULES, "Argument helptext")):
            break
        if line and not line.startswith((*_RULES, "For further information")):
            kept.append(line)
    text = " ".join(kept)
    # Of a group, whose flags begin with its name; a method's own flags have no prefix.
    group = re.match(r"Error parsing (?!method:)(?:method\.)?([a-z][\w.]*): \d+ validation", text)
    prefix = f"{group[1]}." if group else ""
    text = re.sub(r"Error parsing \S+: \d+ validation errors? for \w+ ", "", text)
    text = re.sub(r"\[type=\w+, input_value=(.*?), input_type=(\w+)\]", _got, text)
    text = re.sub(
        r"(^|; )([a-z_.0-9]+) Input ", lambda found: f"{found[1]}--{prefix}{found[2].replace('_', '-')}: ", text
    )
    text = re.sub(r"(\w+) Tuple should have at least 1 item after validation, not 0 (\(got \(\)\))?", _no_items, text)
    return text.replace("Value error, ", "").strip().rstrip(".")


def _no_items(match: re.Match[str]) -> str:
    return f"there are no {match[1]}: name one or more"


def _got(match: re.Match[str]) -> str:
    """Return what was given instead; nothing where that is a whole configuration."""
    return "" if match[2] == "dict" else f"(got {match[1]})"
