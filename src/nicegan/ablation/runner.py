"""An ablation: every setting of a grid trained with the same seeds, data and budget, and one table of what came out.

nicegan ablate photos --switches encoder=reused,independent attention=residual,none --seeds 3 --out runs/ablation
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nicegan.ablation.cell import Cell, decisive, is_finished
from nicegan.ablation.figure import label, plot
from nicegan.ablation.grid import Grid, Switches, as_text, make_grid
from nicegan.ablation.table import (
    AblationTable,
    Row,
    RunResult,
    markdown,
    read_result,
    runs_csv,
    settings_csv,
    shown,
)
from nicegan.config import first_mistake
from nicegan.console import say
from nicegan.data.training_data import TrainingData
from nicegan.device import set_up_machine
from nicegan.errors import ConfigError, TrainingError
from nicegan.files import write_atomically
from nicegan.recipes import RECIPES
from nicegan.report.origin import read_origins, why_best
from nicegan.report.run import write_report
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.training.logger import describe_origin
from nicegan.training.trainer import train


class AblationOutcome(NamedTuple):
    """What came out, where its files are, and 0; 130 or 143 if it was asked to stop, 2 if runs failed."""

    table: AblationTable
    out: Path
    exit_code: int


def run_ablation(
    base: RunConfig,
    switches: Switches,
    seeds: Sequence[int],
    out: str | os.PathLike[str],
    console: Console | None = None,
) -> AblationOutcome:
    """Train what is not trained yet, and write the tables and the figure; again after each run.

    Args:
        base: data, budget and all that is the same for every setting; its seed is not used.
        switches: name -> values, as `nicegan.ablation.grid.make_grid` reads them.
        seeds: of every setting.
        out: the ablation's folder; new, or one that holds this ablation, with the same or fewer values and seeds.
        console: where to show progress; standard error if None.

    Raises:
        NiceganError: switches, settings, data or a folder that cannot be used.
    """
    ablation = Ablation(base.model_copy(update={"seed": 0}), make_grid(base, switches), seeds, Path(out))
    return ablation.run(console or Console(stderr=True))


class Ablation:
    """A grid with seeds and a folder, and how far it has come."""

    def __init__(self, base: RunConfig, grid: Grid, seeds: Sequence[int], out: Path) -> None:
        if not seeds or len(set(seeds)) != len(seeds):
            raise ConfigError("seeds: name one or more, each once")
        self.base, self.grid, self.seeds, self.out = base, grid, tuple(seeds), out
        self.cells = [
            Cell(setting, seed, out / setting.name / f"seed-{seed}") for seed in seeds for setting in grid.settings
        ]
        self.parameters = {setting.name: trained_parameters(setting.config) for setting in grid.settings}
        self.failures: dict[str, str] = {}

    def run(self, console: Console) -> AblationOutcome:
        """Train, a seed of every setting after the other, so that a table of a part compares like with like."""
        self._claim(console)
        for name, reason in self.grid.left_out:
            say(console, f"left out: {name}: {reason}")
        for number, cell in enumerate(self.cells, 1):
            if is_finished(cell):
                continue
            say(console, f"run {number} of {len(self.cells)}: {cell}")
            try:
                outcome = train(cell.config, cell.folder, console)
            except TrainingError as problem:  # its numbers went wrong, which is a result too
                self.failures[str(cell)] = str(problem)
                say(console, f"{cell}: {problem}")
                continue
            write_report(cell.folder)
            if outcome.exit_code:
                say(console, "the ablation goes on when its command is given again")
                return AblationOutcome(self._write(), self.out, outcome.exit_code)
            self._write()
        return AblationOutcome(self._write(), self.out, 2 if self.failures else 0)

    def _claim(self, console: Console) -> None:
        """Make sure that every cell can start, and make the folder this ablation's."""
        for setting in self.grid.settings:
            set_up_machine(setting.config.device, setting.config.precision, setting.config.num_threads)
        note = self.out / "ablation.json"
        before = self._read(note) if note.is_file() else None
        if before is None and self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise ConfigError(f"{self.out} exists and is not an ablation; choose another --out")
        if before is None:
            with console.status("reading images"):
                TrainingData(self.base, lambda *_: None).close()
        origin = describe_origin(str(set_up_machine(self.base.device, self.base.precision, self.base.num_threads)))
        content = {
            "format_version": 1,
            "switches": self.grid.switches,
            "seeds": self.seeds,
            "base": self.base.model_dump(mode="json"),
            **origin,
        }
        self.out.mkdir(parents=True, exist_ok=True)
        write_atomically(note, (json.dumps(content, indent=1) + "\n").encode())

    def _read(self, note: Path) -> dict[str, Any]:
        """Return the ablation that is there, if this one is the same or goes further.

        Raises:
            ConfigError: it is another one, or cannot be read.
        """
        try:
            content = json.loads(note.read_text(encoding="utf-8"))
            base = RunConfig.model_validate(content["base"])
            seeds, switches = set(content["seeds"]), {name: set(of) for name, of in content["switches"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
            raise ConfigError(f"{note} cannot be read: {first_mistake(problem)}; choose another --out") from None
        rows = [f"{name}: {old} there, {new} asked for" for name, (old, new) in decisive(base, self.base).items()]
        asked = self.grid.switches
        if switches.keys() != asked.keys():
            rows.append(f"switches: {', '.join(switches)} there, {', '.join(asked)} asked for")
        else:
            missing = {name: sorted(of - set(asked[name])) for name, of in switches.items()}
            rows += [
                f"{name}: {', '.join(values)} there and not asked for" for name, values in missing.items() if values
            ]
        if lost := sorted(seeds - set(self.seeds)):
            rows.append(f"seeds: {', '.join(map(str, lost))} there and not asked for")
        if rows:
            listed = "\n".join(f"  {row}" for row in rows)
            raise ConfigError(f"{self.out} holds another ablation; choose another --out\n{listed}")
        return content

    def _write(self) -> AblationTable:
        """Tables and figure of all runs that are finished."""
        table = self.table()
        write_atomically(self.out / "table.md", markdown(table).encode())
        write_atomically(self.out / "table.csv", settings_csv(table).encode())
        write_atomically(self.out / "runs.csv", runs_csv(table).encode())
        write_atomically(self.out / "figure.png", plot(table))
        return table

    def table(self) -> AblationTable:
        """Return what is known so far."""
        finished = [cell for cell in self.cells if is_finished(cell)]
        rows = []
        for setting in self.grid.settings:
            runs = tuple(self._result(cell) for cell in finished if cell.setting is setting)
            rows.append(Row(setting, runs, self.parameters[setting.name]))
        notes = [f"Failed: {cell}: {problem}" for cell, problem in self.failures.items()]
        if missing := len(self.cells) - len(finished) - len(self.failures):
            notes.append(f"Not trained yet: {missing} of {len(self.cells)} runs; the same command goes on.")
        return AblationTable(self.grid, tuple(rows), self._facts(finished), tuple(notes))

    def _result(self, cell: Cell) -> RunResult:
        return read_result(cell.folder, cell.seed, cell.folder.relative_to(self.out).as_posix())

    def _facts(self, finished: Sequence[Cell]) -> tuple[str, ...]:
        """Return what was run, and on what; where the runs are not alike in that, it is said."""
        base, switched = self.base, self.grid.switches
        changed = {
            name: values[1]
            for name, values in decisive(RECIPES.get(base.recipe, RunConfig()), base).items()
            if name not in {"data", "domain_a", "domain_b", "seed"} and name.removeprefix("network.") not in switched
        }
        pixels = "x".join(map(str, base.size))
        batch = "" if {"batch_size", "accumulate"} & set(switched) else f" of batch {base.batch_size * base.accumulate}"
        budget = f"{'' if 'steps' in switched else f'{base.steps:,} '}steps{batch}"
        seeds = ", ".join(map(str, self.seeds))
        facts = [f"Recipe {base.recipe} on {data_name(base)}, {budget}, {pixels} pixels, seeds {seeds}."]
        if changed:
            facts.append(
                f"Changed from the recipe: {', '.join(f'{name} = {as_text(of)}' for name, of in changed.items())}."
            )
        folders = [RunFolder(cell.folder) for cell in finished]
        origins = [origin for folder in folders for origin in read_origins(folder)]
        for what, found in {
            "Best checkpoint": [why_best(folder.best) for folder in folders],
            "Machine": [origin.machine for origin in origins],
            "Versions": [origin.named_versions() for origin in origins],
            "Commit": [origin.named_commit() for origin in origins],
        }.items():
            alike = list(dict.fromkeys(found))
            differs = " (not the same for all runs)" if len(alike) > 1 else ""
            facts += [f"{what}{differs}: {'; '.join(alike)}."] if alike else []
        return tuple(facts)


def data_name(config: RunConfig) -> str:
    """Return the data's name, without the folder that it lies in."""
    paths = [config.data] if config.data else [config.domain_a, config.domain_b]
    return " and ".join(Path(str(path)).name for path in paths)


def trained_parameters(config: RunConfig) -> int:
    """Return how many parameters both phases train, without making them."""
    with torch.device("meta"):
        method = config.method.build(config.size)
    return sum(parameter.numel() for parameter in {p for phase in method.phases for p in phase.parameters()})


def summary(table: AblationTable) -> Table:
    """Return the best scores for a terminal."""
    sheet = Table(title="Mean ± deviation over seeds, less is better", title_justify="left", show_lines=True)
    heads = [head for score in table.scores for head in (score.replace("_", " "), "difference (95 % interval)")]
    names = [label(table, row) for row in table.rows]
    sheet.add_column("setting", min_width=max(len(word) for name in names for word in name.split()))
    for head in ("seeds", *heads):
        sheet.add_column(head)
    for name, row in zip(names, table.rows, strict=True):
        found = [shown(value) for score in table.scores for value in (row.best(score), table.difference(row, score))]
        sheet.add_row(Text(name), str(len(row.runs)), *found)
    return sheet
