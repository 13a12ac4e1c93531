"""nicegan ablate: the same training with switches on and off, and a table of what that changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import tyro
from pydantic import Field

from nicegan.ablation.grid import make_grid, read_switches
from nicegan.cli.parse import parse
from nicegan.cli.train import TrainArguments, default_out, described, value_of
from nicegan.recipes import recipe
from nicegan.run_config import RunConfig


class AblateArguments(TrainArguments):
    """Train every combination of some switches with the same seeds, data and budget, and compare the scores.

    nicegan ablate DATA --switches encoder=reused,independent --seeds 3 --recipe nicegan-tiny --steps 400

    nicegan ablate DATA --switches attention=residual,plain,none classifiers=cam+local+global,local+global

    The same command goes on where it stopped; with more seeds or values it trains only what is new.
    """

    switches: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE,VALUE ...")] = ()
    """What to vary: a setting of the networks (encoder, attention, classifiers, encoder-trained-by, shared-layers ...)
    or another one (loss.cycle, optimizer.learning-rate ...), and its values. Several classifiers: cam+local."""
    seeds: Annotated[int, Field(ge=1, le=1000)] = 3
    """How many seeds each combination is trained with: SEED, SEED + 1 and so on. One tells nothing about chance."""
    seed: Annotated[int, Field(ge=0, lt=2**62)] = 0
    """The first seed."""
    out: Path | None = None
    """The ablation's folder; runs/ablation-RECIPE-DATA if not given. If it holds this ablation, it goes on."""
    resume: Annotated[Path | None, tyro.conf.Suppress] = None
    """Not of use here: the same command goes on."""


class Plan(NamedTuple):
    """What to vary, on top of what, with which seeds, and where."""

    base: RunConfig
    switches: dict[str, list[str]]
    seeds: list[int]
    out: Path


def run(arguments: list[str]) -> int:
    """Run the ablation; returns the exit code."""
    plan = read_arguments(arguments)

    from rich.console import Console

    from nicegan.ablation.runner import run_ablation, summary
    from nicegan.console import say

    console = Console(stderr=True)
    outcome = run_ablation(plan.base, plan.switches, plan.seeds, plan.out, console)
    console.print(summary(outcome.table))
    say(console, f"table:  {plan.out / 'table.md'} (.csv), every run: {plan.out / 'runs.csv'}")
    say(console, f"figure: {plan.out / 'figure.png'}")
    return outcome.exit_code


def read_arguments(arguments: list[str]) -> Plan:
    """Return what to run.

    Raises:
        ConfigError: arguments that make no ablation.
    """
    base = recipe(value_of("--recipe", arguments) or "nicegan")
    default = AblateArguments.model_validate(base.model_dump())
    given = parse(AblateArguments, arguments, "ablate", default, described(AblateArguments, base))
    config = RunConfig.model_validate(given.model_dump(include=set(RunConfig.model_fields)))
    switches = read_switches(given.switches)
    make_grid(config, switches)  # so that mistakes are found before anything heavy is loaded
    usual = default_out(config)
    out = given.out or usual.with_name(f"ablation-{usual.name}")
    return Plan(config, switches, list(range(config.seed, config.seed + given.seeds)), out)
