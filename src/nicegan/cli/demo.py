"""nicegan demo: see it work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveInt

from nicegan.cli.parse import parse
from nicegan.config import Frozen


class DemoArguments(Frozen):
    """Paint an unpaired set of landscapes by day and by night, train nicegan-tiny on it, and score the translations
    against the true counterparts, which only the painter knows. A few minutes on two CPU cores."""

    out: Path = Path("demo")
    """Folder for the scenes, the run and the report. If it holds this demo, it goes on."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of the scenes, the initial weights and the order of the images."""
    steps: PositiveInt | None = None
    """Training steps, in place of the recipe's."""


def run(arguments: list[str]) -> int:
    """Run the demo; returns the exit code."""
    given = parse(DemoArguments, arguments, "demo")

    from rich.console import Console

    from nicegan.console import say
    from nicegan.demo import run_demo

    console = Console(stderr=True)
    outcome = run_demo(given.out, seed=given.seed, steps=given.steps, console=console)
    if outcome.scores:
        say(console, f"pictures: {given.out / 'grid.png'}\nreport:   {outcome.report}")
    return outcome.exit_code
