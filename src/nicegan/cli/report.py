"""nicegan report: all that can be told of a run, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from nicegan.cli.parse import parse
from nicegan.config import Features, Frozen
from nicegan.data.catalogue import WholeDatasetPath


class ReportArguments(Frozen):
    """Write RUN/report.html: settings, curves, grids, scores with intervals, latents, heatmaps and cost of a run.

    nicegan report runs/mine --features inception
    """

    run: Annotated[Path, tyro.conf.Positional]
    """A run folder."""
    data: WholeDatasetPath | None = None
    """Where the run's dataset folder is now, if it has moved."""
    features: Features | None = None
    """Feature network for the scores: inception (FID, KID) or a TorchScript file (FD, KD); else weight-free ones."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 ..."""


def run(arguments: list[str]) -> int:
    """Write the report; returns the exit code."""
    given = parse(ReportArguments, arguments, "report")

    from functools import partial

    from rich.console import Console

    from nicegan.cli.progress import bar
    from nicegan.console import say
    from nicegan.device import keep_freed_memory
    from nicegan.report.full import report

    keep_freed_memory()
    console = Console(stderr=True)
    chosen = given.model_dump(include={"data", "features", "device"})
    path = report(given.run, **chosen, console=console, watch=partial(bar, console))
    say(console, f"report: {path}")
    return 0
