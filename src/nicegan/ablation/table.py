"""The table of an ablation: what each setting scored, over seeds, and how far that is from the first setting."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nicegan.ablation.grid import Grid, Setting
from nicegan.checkpoint import read_pointer
from nicegan.metric_names import NO_TRANSLATION, parse_score
from nicegan.metrics.seeds import Difference, Spread, difference, rounded, spread
from nicegan.run_folder import RunFolder


class Measured(NamedTuple):
    """A score of one run, of which less is better: of the best checkpoint, the last one, and untranslated images."""

    best: float
    last: float | None = None
    untranslated: float | None = None


class RunResult(NamedTuple):
    """One finished run. Its scores by name; the first chose the best checkpoint."""

    seed: int
    folder: str
    best_step: int
    last_step: int
    scores: dict[str, Measured]
    images_per_second: float | None = None


class Row(NamedTuple):
    """A setting, its finished runs, and how many parameters both phases train."""

    setting: Setting
    runs: tuple[RunResult, ...]
    parameters: int

    def over_seeds(self, number: Callable[[RunResult], float | None]) -> Spread | None:
        """Mean and deviation of a number of the runs that have it; None if none has."""
        values = [value for run in self.runs if (value := number(run)) is not None]
        return spread(values) if values else None

    def best(self, score: str) -> Spread | None:
        """Return mean and deviation of the best checkpoints' scores."""
        return self.over_seeds(lambda run: run.scores[score].best if score in run.scores else None)

    def last(self, score: str) -> Spread | None:
        """Return mean and deviation of the last checkpoints' scores."""
        return self.over_seeds(lambda run: run.scores[score].last if score in run.scores else None)

    def speed(self) -> Spread | None:
        """Return images a second."""
        return self.over_seeds(lambda run: run.images_per_second)

    def best_steps(self) -> str:
        """At which steps the best checkpoints stood: "300" or "200 to 400"."""
        ends = sorted({run.best_step for run in self.runs})
        return " to ".join(map(str, dict.fromkeys([ends[0], ends[-1]]))) if ends else ""


class AblationTable(NamedTuple):
    """Everything the files are made from.

    Args:
        grid: switches, settings and what was left out.
        rows: one a setting, in the grid's order.
        facts: what was run, on what; a line each.
        notes: what did not work; a line each.
    """

    grid: Grid
    rows: tuple[Row, ...]
    facts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def scores(self) -> list[str]:
        """The names of all scores."""
        return list(dict.fromkeys(name for row in self.rows for run in row.runs for name in run.scores))

    def untranslated(self, score: str) -> list[float]:
        """Return the scores of untranslated images: one, unless runs saw other test images."""
        runs = [run.scores[score] for row in self.rows for run in row.runs if score in run.scores]
        return sorted({one.untranslated for one in runs if one.untranslated is not None})

    def difference(self, row: Row, score: str) -> Difference | None:
        """Return the difference of a row's best score from the first row's; None for that row, and without results."""
        here, first = row.best(score), self.rows[0].best(score)
        return None if here is None or first is None or row is self.rows[0] else difference(here, first)


def read_result(run: Path, seed: int, folder: str) -> RunResult:
    """Return what a finished run scored.

    Args:
        run: its folder.
        seed: its seed.
        folder: how the table should name it.
    """
    lines = RunFolder(run).read_metrics()
    best = read_pointer(RunFolder(run).best).step or 0
    names = dict.fromkeys(name for line in lines for name in line if parse_score(name))
    untranslated = next((line[NO_TRANSLATION] for line in lines if NO_TRANSLATION in line), None)
    scores = {}
    for index, name in enumerate(names):
        by_step = {int(line["step"]): line[name] for line in lines if name in line}
        if best in by_step:
            reference = untranslated if index == 0 else None
            scores[parse_score(name) or name] = Measured(by_step[best], by_step[max(by_step)], reference)
    speeds = [line["images_per_second"] for line in lines if "images_per_second" in line]
    return RunResult(seed, folder, best, int(lines[-1]["step"]), scores, speeds[-1] if speeds else None)


def columns(table: AblationTable) -> list[str]:
    """Return the heads of the table for people."""
    scored = [
        head.format(score.replace("_", " "))
        for score in table.scores
        for head in ("{}, best", "{}, last", "{}, best: difference to the first row (95 % interval)")
    ]
    return [*table.grid.switches, "seeds", *scored, "best at step", "parameters trained (M)", "images/s"]


def cells(table: AblationTable, row: Row) -> list[str]:
    """Return a row for people."""
    scored: list[str] = []
    for score in table.scores:
        scored += [shown(row.best(score)), shown(row.last(score)), shown(table.difference(row, score))]
    speed = row.speed()
    return [
        *row.setting.values,
        str(len(row.runs)),
        *scored,
        row.best_steps(),
        f"{row.parameters / 1e6:.3f}",
        f"{speed.mean:.1f}" if speed else "",
    ]


def shown(value: Spread | Difference | None) -> str:
    """Return a number with its spread, or nothing."""
    return "" if value is None else str(value)


def markdown(table: AblationTable) -> str:
    """Return the table, what was run, what the differences say, and what was left out."""
    heads = columns(table)
    rows = [cells(table, row) for row in table.rows]
    if any(map(table.untranslated, table.scores)):
        before = ["no translation", *[""] * (len(table.grid.switches) - 1), ""]
        after = [
            part for score in table.scores for part in (" / ".join(map(rounded, table.untranslated(score))), "", "")
        ]
        rows.append([*before, *after, "", "", ""])
    lines = ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows)]
    said = [f"* {line}" for line in (*table.facts, *conclusions(table), *table.notes)]
    left_out = [f"* Left out: {name}: {reason}" for name, reason in table.grid.left_out]
    title = f"# Ablation of {', '.join(table.grid.switches)}"
    return "\n".join([title, "", *lines, "", *said, *left_out, "", "![Scores by setting](figure.png)", ""])


def conclusions(table: AblationTable) -> list[str]:
    """In words, how to read the numbers, and which differences are more than the spread over seeds."""
    lines = [
        "Scores: mean ± standard deviation over seeds, less is better. The best is the smallest of a run's scored "
        "checkpoints, chosen on the images it is measured on; it is no score of unseen images."
    ]
    num_intervals = 0
    for score in table.scores:
        what = score.replace("_", " ")
        found = {row.setting.name: apart for row in table.rows if (apart := table.difference(row, score)) is not None}
        num_intervals += sum(apart.margin is not None for apart in found.values())
        sides = {name: "higher" if apart.value > 0 else "lower" for name, apart in found.items()}
        clear = [f"{name} ({sides[name]})" for name, apart in found.items() if apart.is_clear]
        within = [name for name, apart in found.items() if apart.margin is not None and not apart.is_clear]
        unknown = [name for name, apart in found.items() if apart.margin is None]
        for said, names in {
            "differs from the first row by more than the spread over seeds": clear,
            "no difference from the first row beyond the spread over seeds": within,
            "a single seed has no spread, the difference may be chance": unknown,
        }.items():
            lines += [f"{what}: {said}: {'; '.join(names)}."] if names else []
    if num_intervals > 1:
        lines.append(
            f"The {num_intervals} intervals (Welch, 95 %) are each for one comparison, not for all of them together: "
            "one in twenty misses the truth by chance."
        )
    return lines


def settings_csv(table: AblationTable) -> str:
    """Return one line a setting."""
    lines = []
    for row in table.rows:
        line: dict[str, Any] = {**dict(zip(table.grid.switches, row.setting.values, strict=True))}
        line["seeds"] = len(row.runs)
        for score in table.scores:
            best, last, apart = row.best(score), row.last(score), table.difference(row, score)
            interval = apart.interval if apart else None
            line |= {
                f"{score}_best_mean": best and best.mean,
                f"{score}_best_deviation": best and best.deviation,
                f"{score}_last_mean": last and last.mean,
                f"{score}_last_deviation": last and last.deviation,
                f"{score}_difference": apart and apart.value,
                f"{score}_difference_low": interval and interval[0],
                f"{score}_difference_high": interval and interval[1],
            }
        speed = row.speed()
        line |= {"parameters_trained": row.parameters, "images_per_second": speed and speed.mean}
        lines.append(line)
    return as_csv(lines)


def runs_csv(table: AblationTable) -> str:
    """Return one line a run."""
    lines = []
    for row in table.rows:
        for run in row.runs:
            line: dict[str, Any] = {**dict(zip(table.grid.switches, row.setting.values, strict=True))}
            line |= {"seed": run.seed, "folder": run.folder, "best_step": run.best_step, "last_step": run.last_step}
            for score in table.scores:
                one = run.scores.get(score)
                line |= {f"{score}_{part}": one and getattr(one, part) for part in Measured._fields}
            lines.append({**line, "images_per_second": run.images_per_second})
    return as_csv(lines)


def as_csv(lines: Sequence[dict[str, Any]]) -> str:
    """Lines of the same names, under those names; what is not known stays empty."""
    sheet = io.StringIO()
    if lines:
        writer = csv.DictWriter(sheet, lines[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return sheet.getvalue()
