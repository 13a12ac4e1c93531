"""nicegan compare: recipes trained under equal conditions, and one table of what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro
from pydantic import Field, PositiveInt

from nicegan.cli.parse import parse
from nicegan.config import Features, Frozen, Precision
from nicegan.data.catalogue import DatasetPath, not_a_folder
from nicegan.errors import ConfigError

SHARED = ("image_size", "batch_size", "features", "precision", "device", "num_threads")


class CompareArguments(Frozen):
    """Train recipes with equal data, budget and seeds, and compare their scores and costs in one table.

    nicegan compare DATA --recipes NAME,NAME --budget 2000 --features FILE.pt --out runs/comparison

    nicegan compare DATA --recipes NAME,NAME --budget 10m --seeds 3

    The same command goes on where it stopped; with more recipes or seeds it trains only what is new.
    """

    data: Annotated[DatasetPath, tyro.conf.Positional]
    """Folder that holds trainA, trainB, testA and testB; or the name of a set that nicegan data get has fetched."""
    recipes: Annotated[str, tyro.conf.arg(metavar="NAME,NAME...")]
    """What to compare: names of recipes, with commas. Size and batch are the first one's unless given."""
    budget: Annotated[str, tyro.conf.arg(metavar="STEPS|TIME")]
    """What each run may take: steps (2000), or training time on an otherwise idle machine (90s, 10m, 2h). Time becomes
    steps once, by the steps' measured times."""
    seeds: Annotated[int, Field(ge=1, le=1000)] = 3
    """How many seeds each recipe is trained with, from 0 on. One tells nothing about chance."""
    out: Path | None = None
    """The comparison's folder; runs/comparison-DATA if not given. If it holds this comparison, it goes on."""
    features: Features | None = None
    """Feature network of the kernel and Frechet distance: inception (KID, FID), or a TorchScript file (KD, FD)."""
    image_size: PositiveInt | None = None
    """Side of all images in pixels, in training and in scores."""
    batch_size: PositiveInt | None = None
    """Images of each domain in a step."""
    equal_optimizer: bool = False
    """Give every recipe the first one's learning rate, betas and weight decay, instead of its own."""
    precision: Precision = "auto"
    """Arithmetic, as in training."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 ..."""
    num_threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """CPU threads; 0 takes all cores."""


def run(arguments: list[str]) -> int:
    """Train and compare; returns the exit code."""
    given = parse(CompareArguments, arguments, "compare")
    if not given.data.is_dir():
        raise ConfigError(f"{not_a_folder(given.data)}; name one that holds trainA, trainB, testA and testB")

    from rich.console import Console

    from nicegan.comparison.plan import make_entries, parse_budget
    from nicegan.comparison.runner import Comparison
    from nicegan.console import say

    budget = parse_budget(given.budget)
    shared: dict[str, Any] = {name: value for name in SHARED if (value := getattr(given, name)) is not None}
    names = [name.strip() for name in given.recipes.split(",") if name.strip()]
    shared |= {"data": given.data}
    entries = make_entries(names, shared, budget, equal_optimizer=given.equal_optimizer)
    out = given.out or Path("runs") / f"comparison-{given.data.resolve().name}"
    console = Console(stderr=True)
    outcome = Comparison(entries, budget, range(given.seeds), out, console).run()
    say(console, f"table: {out / 'table.md'} (.csv, .json), page: {out / 'index.html'}, fakes: {out / 'outputs'}")
    return outcome.exit_code
