"""nicegan bench: how fast, against what, and how much memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import Field, PositiveInt

from nicegan.cli.parse import parse
from nicegan.config import Frozen, Precision
from nicegan.errors import ConfigError
from nicegan.recipes import RECIPES, recipe

PART_NAMES = ("step", "translation", "data", "start-up")
Part = Literal["step", "translation", "data", "start-up"]
RECIPE = tyro.conf.arg(metavar="|".join(RECIPES))


class BenchArguments(Frozen):
    """Measure speed against a plain reference and against the machine's own convolutions; the sides take turns.

    nicegan bench step --image-size 128
    nicegan bench memory nicegan --image-size 256 --batch-size 4    (predicts; see nicegan bench memory --help)
    """

    parts: Annotated[tuple[Part, ...], tyro.conf.Positional] = PART_NAMES
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
    reference: Path = Path("benchmarks/reference_step.py")
    """Python file that defines what to compare with; without it, nothing is compared."""
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
    if arguments[:1] == ["memory"]:
        return run_memory(parse(MemoryArguments, arguments[1:], "bench memory"))
    given = parse(BenchArguments, arguments, "bench")
    config = recipe(given.recipe, image_size=given.image_size, batch_size=given.batch_size, device=given.device)
    larger = recipe(given.recipe, image_size=given.translation_size, batch_size=given.batch_size, device=given.device)

    from rich.console import Console

    from nicegan.bench import measure, tables
    from nicegan.training.records import say

    console = Console(stderr=True)
    reference = given.reference if given.reference.is_file() else None
    if reference is None and given.reference != BenchArguments().reference:
        raise ConfigError(f"{given.reference} does not exist: name a file like benchmarks/reference_step.py")
    if reference is None:
        say(
            console, f"no {given.reference} here: nothing to compare with (run this in a checkout, or name --reference)"
        )
    measures = {
        "step": (measure.measure_step, config),
        "translation": (measure.measure_translation, larger),
        "data": (measure.measure_data, config),
        "start-up": (measure.measure_start_up, config),
    }
    results: dict[str, Any] = measure.surroundings(config)
    with console.status("") as status:
        for part in given.parts:
            do, settings = measures[part]
            results[part] = do(measure.Plan(settings, reference, given.rounds, status.update))
            results[part]["settings"] = f"{given.recipe}, {settings.size[0]} px, batch {settings.batch_size}"
            if given.json_file:
                given.json_file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    show = Console()
    say(show, f"{results['machine']}, torch {results['versions']['torch']}, commit {results['commit']}")
    for table in tables.tables(results):
        show.print(table)
    return 0


def run_memory(given: MemoryArguments) -> int:
    """Say what training will need, and what is free."""
    changes = {name: value for name, value in given.model_dump(exclude={"recipe"}).items() if value is not None}
    config = recipe(given.recipe, **changes)

    from rich.console import Console

    from nicegan.machine import choose_machine, free_bytes
    from nicegan.training.memory import predict
    from nicegan.training.records import say

    machine = choose_machine(config.device, config.precision, config.num_threads)
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
