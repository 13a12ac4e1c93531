"""nicegan train: start a run, or go on with one."""

from __future__ import annotations

import inspect
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated

import tyro

from nicegan.cli.parse import parse
from nicegan.config import INCEPTION, Folder, is_url
from nicegan.data.catalogue import WholeDatasetPath, way_to_get
from nicegan.errors import ConfigError
from nicegan.methods.registry import DEFAULT_METHOD, AnyMethod
from nicegan.recipes import RECIPES, recipe
from nicegan.run_config import RunConfig


class TrainArguments(RunConfig):
    """Train a translator between the images of two domains.

    nicegan train DATA --recipe nicegan --out runs/mine

    nicegan train --resume runs/mine
    """

    data: Annotated[WholeDatasetPath | None, tyro.conf.Positional] = None
    """Folder that holds trainA and trainB, and testA and testB for held-out images: folders, lists (trainA.txt) or tar
    shards (trainA*.tar); or the name of a set that nicegan data get has fetched."""
    recipe: Annotated[str, tyro.conf.arg(metavar="|".join(RECIPES))] = "nicegan"
    """Where the settings that are not given come from, those of the method (below) included."""
    method: Annotated[AnyMethod, tyro.conf.arg(name="")] = DEFAULT_METHOD
    start_from: Annotated[Folder | None, tyro.conf.arg(name="from")] = None
    """A model, a run or a checkpoint (RUN@8000) of the same networks whose weights the run begins with, to go on with
    other data, size or learning rate."""
    out: Path | None = None
    """The run folder; runs/RECIPE-DATA if not given. If it holds this very run, training goes on."""
    resume: Path | None = None
    """A run folder to go on with; its settings hold. Given anew may be: where its images and its feature network are
    now (DATA, --domain-a, --domain-b, --features), steps, precision, device, the intervals, and batch-size with
    accumulate if their product stays."""


def run(arguments: list[str]) -> int:
    """Train; returns the exit code."""
    config, out = read_arguments(arguments)

    from nicegan.distributed import launched_rank
    from nicegan.report.run import refresh_report, whole_report_command
    from nicegan.training.trainer import train

    outcome = train(config, out, resume=value_of("--resume", arguments) is not None)
    if launched_rank() == 0:
        page = shlex.quote(str(refresh_report(outcome.run)))
        command = whole_report_command(outcome.run)
        sys.stderr.write(f"report: {page}; with scores, latents and heatmaps: {command}\n")
    return outcome.exit_code


def read_arguments(arguments: list[str]) -> tuple[RunConfig, Path]:
    """Return what to train, and where.

    Raises:
        ConfigError: arguments that do not make a run.
    """
    resumed = value_of("--resume", arguments)
    if resumed is None:
        base = recipe(value_of("--recipe", arguments) or "nicegan")
    else:
        from nicegan.run_folder import RunFolder

        base = RunFolder(Path(resumed)).read_config()
    if arguments[-1:] == ["--data"]:
        raise ConfigError("--data needs a value")
    arguments = [argument.removeprefix("--data=") for argument in arguments if argument != "--data"]
    default = TrainArguments.model_validate(base.model_dump())
    given = parse(TrainArguments, arguments, "train", default, described(TrainArguments, base))
    config = RunConfig.model_validate(given.model_dump(exclude={"out", "resume"}))
    if resumed is not None:
        if given.out is not None:
            raise ConfigError("--resume goes on in its own folder: leave out --out")
        refuse_missing(config, base, shlex.quote(resumed))
        return config, Path(resumed)
    return config, given.out or default_out(config)


def refuse_missing(config: RunConfig, base: RunConfig, run: str) -> None:
    """Raise ConfigError if what a run needs is no longer where it was, and nothing else was named."""
    if config.data is not None and config.data == base.data and not config.data.is_dir():
        way_out = f"nicegan train DATA --resume {run}{way_to_get(config.data)}"
        raise ConfigError(f"the run's images are not in {config.data} any more: say where they are now: {way_out}")
    network = config.features
    if network not in (None, INCEPTION) and network == base.features and not Path(network).is_file():
        way_out = f"nicegan train --resume {run} --features FILE"
        raise ConfigError(f"the run's feature network {network} is not there any more: say where it is now: {way_out}")


def described(kind: type[RunConfig], base: RunConfig) -> str:
    """Return the first lines of the help, which say whose settings follow."""
    others = ", ".join(name for name in RECIPES if RECIPES[name].method.name != base.method.name)
    first = f"Settings of {base.method.title} (--recipe {base.recipe}); other methods' recipes: {others}."
    return f"{first}\n\n{inspect.getdoc(kind)}".replace("--recipe nicegan ", f"--recipe {base.recipe} ")


def default_out(config: RunConfig) -> Path:
    """Return a name for the run, from its recipe and data."""
    source = str(config.data or config.domain_a or "data")
    name = Path(source.partition("?")[0] if is_url(source) else source).name
    if name.endswith((".tar", ".txt")):
        name = re.split(r"[{*?\[]", name[:-4])[0].rstrip("-_.")
    return Path("runs") / f"{config.recipe}-{name or 'data'}"


def value_of(option: str, arguments: list[str]) -> str | None:
    """Return the value of an option that must be known before the others are read.

    Raises:
        ConfigError: the option stands last, without a value, or is given twice.
    """
    given = []
    for index, argument in enumerate(arguments):
        if argument.startswith(f"{option}="):
            given.append(argument.partition("=")[2])
        if argument == option:
            if index + 1 == len(arguments):
                raise ConfigError(f"{option} needs a value")
            given.append(arguments[index + 1])
    if len(given) > 1:
        raise ConfigError(f"{option} is given twice, {given[0]} and {given[1]}: give it once")
    return given[0] if given else None
