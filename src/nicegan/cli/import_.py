"""nicegan import: a published checkpoint becomes a model file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro

from nicegan.cli.parse import parse
from nicegan.config import Frozen, Side


class ImportArguments(Frozen):
    """Turn a checkpoint of a method's published implementation into a model that `nicegan translate` takes.

    The architecture is read from the tensors, and nothing in the file is executed.
    """

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """The checkpoint: a file, or a folder where the published code writes several."""
    image_size: Side | None = None
    """Pixels a side that it was trained at, where its tensors do not tell; without it, its method's published size."""
    out: Path = Path("model.safetensors")
    """The model file to write."""


def run(arguments: list[str]) -> int:
    """Import; returns the exit code."""
    given = parse(ImportArguments, arguments, "import")

    from nicegan.export.published import import_published

    spec, is_assumed = import_published(given.checkpoint, given.out, given.image_size)
    height, width = spec.image_size
    sys.stdout.write(f"{given.out}: {spec.method.title}, {spec.method.summary()}, of {width}x{height} pixels\n")
    if is_assumed and given.image_size is None:
        sys.stderr.write(
            f"the checkpoint does not tell the size it was trained at: {width}x{height} is assumed, and evaluate "
            "scores it there; say another one with --image-size PIXELS\n"
        )
    return 0
