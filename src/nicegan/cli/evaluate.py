"""nicegan evaluate: scores with intervals, of a model or of a folder of images."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from pydantic import Field

from nicegan.cli.parse import check_json, parse
from nicegan.config import MAX_SIDE, Frozen
from nicegan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.table import Table

    from nicegan.distributed import ProcessGroup
    from nicegan.evaluation.outcome import Evaluation

TABLE_WIDTH = 80


class EvaluateArguments(Frozen):
    """Score a model on a dataset's test images in both directions, or a folder of translated images against real ones.

    nicegan evaluate runs/mine --data photos --features features.pt

    nicegan evaluate --real photos/testB --fake translated --source photos/testA
    """

    model: Annotated[Path | None, tyro.conf.Positional] = None
    """A run folder (RUN@8000: its checkpoint of that step) or a model.safetensors."""
    data: Path | None = None
    """Dataset folder with testA and testB, to score a model on: folders, lists (testA.txt) or tar shards
    (testA*.tar); or the name of a fetched set (nicegan data get)."""
    real: Path | None = None
    """Folder of real images of the target domain."""
    fake: Path | None = None
    """Folder of translated images."""
    source: Path | None = None
    """Folder of the images that were translated, of the same names: adds SSIM, and the scores of no translation."""
    against: Path | None = None
    """Another model, or another folder of translated images: are the two different?"""
    features: str = "inception"
    """Feature network: inception (downloaded once; scores are FID and KID), or a TorchScript file (FD and KD)."""
    size: Annotated[str | None, tyro.conf.arg(metavar="model|own|PIXELS")] = None
    """Size of everything that is scored: that of the (first) model's training, each image's own, or pixels a side.
    Without it: model for a model, own for folders."""
    resize: Literal["paper", "clean", "none"] | None = None
    """How images come to 299x299 (none: the network's matter); paper for inception, none for other networks."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of subsets and intervals."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 ..."""
    json_file: Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")] = None
    """Where to write everything, for machines."""


def run(arguments: list[str]) -> int:
    """Score; returns the exit code."""
    given = parse(EvaluateArguments, arguments, "evaluate")
    check(given)

    from functools import partial

    from rich.console import Console

    from nicegan.cli.progress import bar
    from nicegan.device import keep_freed_memory
    from nicegan.distributed import joined

    keep_freed_memory()
    with joined() as processes:
        outcomes = _evaluated(given, partial(bar, Console(stderr=True, quiet=not processes.is_first)), processes)
        if not processes.is_first:
            return 0
    if given.json_file:
        given.json_file.write_text(json.dumps(_document(given, outcomes), indent=1) + "\n", encoding="utf-8")
    console = Console() if sys.stdout.isatty() else Console(width=TABLE_WIDTH)
    for direction, found in outcomes.items():
        _print(console, direction, found)
    return 0


def check(given: EvaluateArguments) -> None:
    """Whether the arguments ask for one thing, of one machine.

    Raises:
        ConfigError: they ask for none, or for both; or torchrun has started processes on several machines.
    """
    if "LOCAL_RANK" in os.environ and os.environ.get("GROUP_WORLD_SIZE", "1") != "1":
        raise ConfigError("evaluate is the work of one machine: start it there, with torchrun --standalone or without")
    folders = given.real is not None and given.fake is not None
    if given.model is None and not folders:
        raise ConfigError("name a model and --data, or folders with --real and --fake (see nicegan evaluate --help)")
    if given.model is not None and (given.real or given.fake or given.source):
        raise ConfigError("give a model with --data, or folders with --real and --fake, not both")
    if given.model is not None and given.data is None:
        raise ConfigError("a model is scored on the test images of a dataset: name it with --data")
    if given.model is None and given.data is not None:
        raise ConfigError("--data is for scoring a model: name one, or leave out --data")
    if given.model is None and given.size == "model":
        raise ConfigError("--size model is for scoring a model: folders are scored at their own size, or --size PIXELS")
    if given.size not in (None, "model", "own") and not (given.size.isdecimal() and 0 < int(given.size) <= MAX_SIDE):
        raise ConfigError(f"--size {given.size}: give model, own, or pixels a side (1 to {MAX_SIDE})")
    check_json(given.json_file)


def _evaluated(given: EvaluateArguments, watch: Any, processes: ProcessGroup) -> dict[str, Evaluation]:
    from nicegan.evaluation.evaluate import evaluate, evaluate_model

    shared = given.model_dump(include={"features", "resize", "against", "seed", "device"}) | {
        "watch": watch,
        "processes": processes,
    }
    if given.size is not None:
        shared["size"] = int(given.size) if given.size.isdecimal() else given.size
    if given.model is not None and given.data is not None:
        return evaluate_model(given.model, given.data, **shared)
    assert given.real is not None
    assert given.fake is not None
    return {"": evaluate(given.real, given.fake, source=given.source, **shared)}


def _print(console: Console, direction: str, found: Evaluation) -> None:
    from nicegan.evaluation.score_table import below, difference_rows, hint_lines, score_rows, title

    for line in title(direction, found):
        console.print(line, markup=False, highlight=False, style="bold")
    console.print(_table(score_rows(found)))
    if found.difference:
        console.print(_table(difference_rows(found)))
    for line in (*below(found), *hint_lines(found)):
        console.print(line, markup=False, highlight=False)
    console.print()


def _table(rows: Iterator[list[str]]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for number, name in enumerate(next(rows)):
        table.add_column(escape(name), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _document(given: EvaluateArguments, outcomes: dict[str, Evaluation]) -> dict[str, Any]:
    from importlib.metadata import version

    packages = ("nicegan", "torch", "torchmetrics", "numpy", "pillow")
    return {
        "arguments": given.model_dump(mode="json", exclude={"json_file"}),
        "versions": {name: version(name) for name in packages},
        "evaluations": {direction or "folders": found.as_dict() for direction, found in outcomes.items()},
    }
