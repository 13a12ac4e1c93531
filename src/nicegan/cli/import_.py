"""nicegan import: a published checkpoint becomes a model file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro

from nicegan.cli.parse import parse
from nicegan.config import Frozen


class ImportArguments(Frozen):
    """Turn a checkpoint of a method's published implementation into a model that `nicegan translate` takes.

    The architecture is read from the tensors, and nothing in the file is executed.
    """

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """The checkpoint: a file, or a folder where the published code writes several."""
    out: Path = Path("model.safetensors")
    """The model file to write."""


def run(arguments: list[str]) -> int:
    """Import; returns the exit code."""
    given = parse(ImportArguments, arguments, "import")

    from nicegan.export.published import import_published

    method = import_published(given.checkpoint, given.out).method
    sys.stdout.write(f"{given.out}: {method.title}, {method.summary()}\n")
    return 0
