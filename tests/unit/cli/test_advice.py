"""Every flag and every command that the product's own words name is one that it has."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from nicegan import cli
from nicegan.methods.registry import METHODS
from nicegan.run_config import RunConfig

SOURCE = Path(cli.__file__).parents[1]
FLAG = re.compile(r"(?<![\w-])--([a-z][\w.-]*)")
COMMAND = re.compile(r"\bnicegan ([a-z]+) (?=[-A-Z{]|runs/|photos)")
OF_OTHERS = {"abbrev", "always", "dirty", "exclude", "max-restarts", "standalone"}  # git's and torchrun's
ALWAYS = {"help", "version", "resume", "out", "recipe", "from"}  # read before the settings, or by every command


def flags_of(settings: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the names of the flags that these settings make, those of groups with the group's name."""
    for name, field in settings.model_fields.items():
        flag = prefix + name.replace("_", "-")
        yield flag
        yield from (found for part in field.metadata if isinstance(found := getattr(part, "name", None), str))
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from flags_of(field.annotation, f"{flag}.")


def known_flags() -> set[str]:
    modules: list[Any] = [import_module(path) for path, _ in cli.COMMANDS.values()]
    settings = [kind for module in modules for kind in vars(module).values() if isinstance(kind, type)]
    kinds = [RunConfig, *METHODS.values(), *(kind for kind in settings if issubclass(kind, BaseModel))]
    flags = {flag for kind in kinds for flag in flags_of(kind)}
    return flags | {f"no-{flag}" for flag in flags} | ALWAYS | OF_OTHERS


def words_of_the_product(pattern: re.Pattern[str]) -> dict[str, str]:
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {name.rstrip("."): f"{path.name}:{node.lineno}" for name in pattern.findall(node.value)}
    return found


def test_no_message_names_a_flag_that_does_not_exist() -> None:
    named = words_of_the_product(FLAG)
    assert len(named) > 40
    assert {name: where for name, where in named.items() if name not in known_flags()} == {}


def test_no_message_names_a_command_that_does_not_exist() -> None:
    named = words_of_the_product(COMMAND)
    assert len(named) >= 8
    assert {name: where for name, where in named.items() if name not in cli.COMMANDS} == {}
