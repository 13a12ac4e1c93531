"""A comparison: recipes trained with equal data, budget and seeds, and one table of what came out.

nicegan compare photos --recipes NAME,NAME --budget 2000 --seeds 3 --out runs/comparison
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from nicegan.checkpoint import read_pointer
from nicegan.comparison.costs import Costs, measure_costs
from nicegan.comparison.files import write_results
from nicegan.comparison.outputs import Outputs, Scores, run_folder
from nicegan.comparison.plan import COMPARISON_FILE, Budget, Entry, every
from nicegan.comparison.table import ComparisonTable, Row
from nicegan.config import first_mistake
from nicegan.console import say
from nicegan.device import set_up_machine
from nicegan.errors import ConfigError, NiceganError
from nicegan.feature_network import FeatureNetwork, load_feature_network
from nicegan.files import write_atomically
from nicegan.report.run import write_report
from nicegan.run_config import RunConfig, differences
from nicegan.run_folder import RunFolder
from nicegan.training.logger import describe_origin
from nicegan.training.trainer import train

FORMAT_VERSION = 1


class ComparisonOutcome(NamedTuple):
    """What came out, where its files are, and 0; 130 or 143 if it was asked to stop, 2 if a recipe failed."""

    table: ComparisonTable
    out: Path
    exit_code: int


class Comparison:
    """Recipes with seeds and a folder, and how far they have come.

    Args:
        entries: the recipes, as `nicegan.comparison.plan.make_entries` returns them.
        budget: of every run.
        seeds: of every recipe.
        out: the comparison's folder; new, or one that holds this comparison, with the same or fewer recipes and seeds.
        console: where to show progress.
    """

    def __init__(
        self, entries: Sequence[Entry], budget: Budget, seeds: Sequence[int], out: Path, console: Console
    ) -> None:
        self.entries, self.budget, self.seeds, self.out, self.console = entries, budget, tuple(seeds), out, console
        self.costs: dict[str, Costs] = {}
        self.failures: dict[str, str] = {}
        self.scores: dict[tuple[str, int], Scores] = {}

    def run(self) -> ComparisonOutcome:
        """Train and score what is not done yet, a seed of every recipe after the other; write the results each time.

        Raises:
            ConfigError: the folder holds something else, or a recipe cannot be trained with what all share.
        """
        self._claim()
        for seed in self.seeds:
            for entry in self.entries:
                if entry.name in self.failures:
                    continue
                code = self._run_one(entry, seed)
                write_results(self.table(), self.out)
                if code:
                    say(self.console, "the comparison goes on when its command is given again")
                    return ComparisonOutcome(self.table(), self.out, code)
        write_results(self.table(), self.out)
        return ComparisonOutcome(self.table(), self.out, 2 if self.failures else 0)

    def _run_one(self, entry: Entry, seed: int) -> int:
        """Train and score one run; a recipe that fails becomes a row that says why, and the rest goes on."""
        config, folder = self._config(entry, seed), self.folder(entry, seed)
        try:
            if not is_finished(folder, config):
                say(self.console, f"{entry.name}, seed {seed}: {config.steps:,} steps")
                outcome = train(config, folder, self.console)
                if outcome.exit_code:
                    return outcome.exit_code
                write_report(folder)
            self.scores[entry.name, seed] = self._outputs.scores(folder, entry.name, seed)
        except (NiceganError, MemoryError, RuntimeError) as problem:
            reason = " ".join(str(problem).split()) or type(problem).__name__
            self.failures[entry.name] = f"seed {seed}: {reason}"
            say(self.console, f"{entry.name} failed, the others go on: {reason}")
        return 0

    def folder(self, entry: Entry, seed: int) -> Path:
        """Return the folder of one run."""
        return run_folder(self.out, entry.name, seed)

    def table(self) -> ComparisonTable:
        """Return what is known so far."""
        rows = []
        for entry in self.entries:
            scores = {seed: self.scores[entry.name, seed] for seed in self.seeds if (entry.name, seed) in self.scores}
            folders = {seed: self.folder(entry, seed) for seed in scores}
            config = self._config(entry, self.seeds[0]) if entry.name in self.costs else entry.config
            failure = self.failures.get(entry.name)
            rows.append(Row(entry.name, config, scores, folders, self.costs.get(entry.name), failure))
        machine = describe_origin(str(self._machine))
        network = self._network
        return ComparisonTable(tuple(rows), str(self.budget), self.seeds, machine, network and network.facts.name)

    @property
    def _machine(self) -> Any:
        config = self.entries[0].config
        return set_up_machine(config.device, config.precision, config.num_threads)

    @cached_property
    def _network(self) -> FeatureNetwork | None:
        config = self.entries[0].config
        return load_feature_network(config.features, device=config.device) if config.features else None

    @cached_property
    def _outputs(self) -> Outputs:
        config = self.entries[0].config
        assert config.data is not None
        return Outputs(Path(config.data), self.out, self._network, config.size, config.device)

    def _config(self, entry: Entry, seed: int) -> RunConfig:
        """Return the configuration of one run: its seed, and as many steps as its budget holds."""
        changes: dict[str, Any] = {"seed": seed}
        if self.budget.seconds is not None:
            changes |= every(max(1, round(self.budget.seconds / self.costs[entry.name].step_seconds)))
        return entry.config.model_copy(update=changes)

    def _claim(self) -> None:
        """Make the folder this comparison's, and measure what recipes cost that were not measured before."""
        note = self.out / COMPARISON_FILE
        if note.is_file():
            self.costs = self._read(note)
        elif self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise ConfigError(f"{self.out} exists and is not a comparison; choose another --out")
        if self._network is None:
            say(self.console, "no --features: only the sliced Wasserstein distance is compared")
        for name, problem in self._measure([entry for entry in self.entries if entry.name not in self.costs]).items():
            self.failures[name] = problem
        self.out.mkdir(parents=True, exist_ok=True)
        content = {
            "format_version": FORMAT_VERSION,
            "recipes": {entry.name: entry.config.model_dump(mode="json") for entry in self.entries},
            "budget": self.budget._asdict(),
            "seeds": self.seeds,
            "costs": {name: cost._asdict() for name, cost in self.costs.items()},
            **describe_origin(str(self._machine)),
        }
        write_atomically(note, (json.dumps(content, indent=1) + "\n").encode())

    def _measure(self, entries: list[Entry]) -> dict[str, str]:
        """Measure costs of new recipes in turns; returns those that cannot make a step, and why."""
        failures: dict[str, str] = {}
        with self.console.status("") as status:
            while entries:
                try:
                    self.costs |= measure_costs(entries, status.update)
                    return failures
                except (NiceganError, MemoryError, RuntimeError):
                    for entry in entries:  # which of them is it?
                        try:
                            measure_costs([entry], status.update)
                        except (NiceganError, MemoryError, RuntimeError) as problem:
                            failures[entry.name] = " ".join(str(problem).split()) or type(problem).__name__
                    entries = [entry for entry in entries if entry.name not in failures]
        return failures

    def _read(self, note: Path) -> dict[str, Costs]:
        """Return the costs in the comparison that is there, if this one is the same or goes further.

        Raises:
            ConfigError: it is another one, or cannot be read.
        """
        try:
            content = json.loads(note.read_text(encoding="utf-8"))
            budget, seeds = Budget(**content["budget"]), set(content["seeds"])
            there = {name: RunConfig.model_validate(config) for name, config in content["recipes"].items()}
            costs = {name: Costs(**cost) for name, cost in content["costs"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
            raise ConfigError(f"{note} cannot be read: {first_mistake(problem)}; choose another --out") from None
        rows = [f"budget: {budget} there, {self.budget} asked for"] if budget != self.budget else []
        asked = {entry.name: entry.config for entry in self.entries}
        rows += [f"{name}: there and not asked for" for name in there if name not in asked]
        for name in there.keys() & asked.keys():
            changed = differences(there[name], asked[name])
            rows += [f"{name}: {key} {old} there, {new} asked for" for key, (old, new) in changed.items()]
        rows += [f"seed {seed}: there and not asked for" for seed in sorted(seeds - set(self.seeds))]
        if rows:
            listed = "\n".join(f"  {row}" for row in rows)
            raise ConfigError(f"{self.out} holds another comparison; choose another --out\n{listed}")
        return costs


def is_finished(folder: Path, config: RunConfig) -> bool:
    """Return whether a run is done: its latest checkpoint is at its last step, and a best one is known."""
    run = RunFolder(folder)
    latest, best = read_pointer(run.latest).step, read_pointer(run.best).step
    return run.model.is_file() and best is not None and latest is not None and latest >= config.steps
