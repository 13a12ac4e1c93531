"""nicegan bench: how fast, against what, and how much memory."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from pydantic import Field, PositiveInt

from nicegan.cli.parse import check_json, parse
from nicegan.config import Frozen, Precision
from nicegan.errors import ConfigError
from nicegan.recipes import RECIPES, recipe

if TYPE_CHECKING:
    from rich.console import Console

PART_NAMES = ("step", "translation", "data", "start-up")
Part = Literal["step", "translation", "data", "start-up"]
RECIPE = tyro.conf.arg(metavar="|".join(RECIPES))


class BenchArguments(Frozen):
    """Measure speed against a plain reference and against the machine's own convolutions; the sides take turns.

    nicegan bench step --image-size 128
    nicegan bench memory nicegan --image-size 256 --batch-size 4    (predicts; see nicegan bench memory --help)
    """

    parts: Annotated[tuple[Part, ...], tyro.conf.Positional, Field(min_length=1)] = PART_NAMES
    """What to measure; all of it if nothing is named."""
    recipe: Annotated[str, RECIPE] = "nicegan"
    """The networks."""
    image_size: PositiveInt = 128
    """Side of the training images in pixels."""
    translation_size: PositiveInt = 256
    """Side of the translated images in pixels."""
    batch_size: PositiveInt = 1
    """Images of each domain in a step, and images translated together."""
    rounds: Annotated[int, Field(ge=1)] = 5
    """Turns of each side."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 ..."""
    reference: Path | None = None
    """Python file that defines what to compare with; benchmarks/reference_METHOD.py if not given. Without such a file,
    nothing is compared."""
    json_file: Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")] = None
    """Where to write the results."""


class MemoryArguments(Frozen):
    """Predict the memory that training needs at its peak, without training."""

    recipe: Annotated[str, RECIPE, tyro.conf.Positional]
    """The networks."""
    image_size: PositiveInt | None = None
    """Side of the training images in pixels, in place of the recipe's."""
    batch_size: PositiveInt | None = None
    """Images of each domain in a step, in place of the recipe's."""
    precision: Precision = "auto"
    """Arithmetic, as in training."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 ..."""


def run(arguments: list[str]) -> int:
    """Measure, or predict; returns the exit code."""
    given = read_arguments(arguments)
    if isinstance(given, MemoryArguments):
        return run_memory(given)
    check_json(given.json_file)

    from rich.console import Console

    from nicegan.bench.tables import tables
    from nicegan.console import say

    results = measure_parts(given, Console(stderr=True))
    console = Console() if sys.stdout.isatty() else Console(width=110)
    say(console, f"{results['machine']}, torch {results['versions']['torch']}, commit {results['commit']}")
    for table in tables(results):
        console.print(table)
    if given.json_file:
        given.json_file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


def read_arguments(arguments: list[str]) -> BenchArguments | MemoryArguments:
    """Return what to measure, or what to predict."""
    if arguments[:1] == ["memory"]:
        return parse(MemoryArguments, arguments[1:], "bench memory")
    return parse(BenchArguments, arguments, "bench")


def measure_parts(given: BenchArguments, console: Console) -> dict[str, Any]:
    """Return the results of all parts that were asked for."""
    from nicegan.bench import measure

    reference = reference_of(given, console)
    measures = {
        "step": (measure.measure_step, given.image_size),
        "translation": (measure.measure_translation, given.translation_size),
        "data": (measure.measure_data, given.image_size),
        "start-up": (measure.measure_start_up, given.image_size),
    }
    plans = {}
    for part in given.parts:  # all settings are checked before minutes are spent
        do, size = measures[part]
        config = recipe(given.recipe, image_size=size, batch_size=given.batch_size, device=given.device)
        plans[part] = do, config
    results = measure.surroundings(next(iter(plans.values()))[1])
    with console.status("") as status:
        for part, (do, config) in plans.items():
            results[part] = do(measure.Plan(config, reference, given.rounds, status.update))
            results[part]["settings"] = f"{given.recipe}, {config.size[0]} px, batch {config.batch_size}"
    if {"step", "data"} <= set(results):
        steps = [side["seconds"]["median"] for name, side in results["step"].items() if name.startswith("nicegan")]
        eaten = 2 * given.batch_size / min(steps)
        results["data"]["one core"]["times_step"] = results["data"]["one core"]["images_per_second"] / eaten
    return results


def reference_of(given: BenchArguments, console: Console) -> Path | None:
    """Return the file that defines what to compare with, if there is one.

    Raises:
        ConfigError: a file is named, and is not there.
    """
    from nicegan.console import say

    path = given.reference or Path("benchmarks") / f"reference_{recipe(given.recipe).method.name}.py"
    if path.is_file():
        return path
    if given.reference:
        raise ConfigError(f"{path} does not exist: name a file like benchmarks/reference_nicegan.py")
    say(console, f"no {path} here: nothing to compare with (run in a checkout, or name --reference)")
    return None


def run_memory(given: MemoryArguments) -> int:
    """Say what training will need, and what is free."""
    changes = {name: value for name, value in given.model_dump(exclude={"recipe"}).items() if value is not None}
    config = recipe(given.recipe, **changes)

    from rich.console import Console

    from nicegan.console import say
    from nicegan.device import free_bytes, set_up_machine
    from nicegan.training.memory import predict

    machine = set_up_machine(config.device, config.precision, config.num_threads)
    need, free = predict(config, machine), free_bytes(machine.device)
    size = "x".join(map(str, config.size))
    parts = f"{need.lasting / 2**30:.1f} lasting, {need.passing / 2**30:.1f} in a step"
    available = "" if free is None else f"; {free / 2**30:.1f} GiB are free"
    say(
        Console(),
        f"{given.recipe}, {size} px, batch {config.batch_size}, {machine.precision} on {machine.device}: "
        f"about {need} at the peak ({parts}){available}",
    )
    return 0
