"""Which setting gives better pictures per step and per minute: a table and a plot, with intervals over seeds.

    python benchmarks/quality.py photos --features FILE --budget 1000 --out quality \\
        --side published=nicegan-tiny --side "nearest=nicegan-tiny network.upsample=nearest"

trains every side with every seed on the same images in the same order, as `nicegan compare` does, whose files OUT
holds as well, and writes OUT/quality.md, quality.json and quality.png. Given again, it goes on; more sides and seeds
can be added. Minutes are steps times the median time of a step, which is measured while all sides take turns, so that
they do not depend on what else the machine did during the training.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from scipy.special import stdtrit

from nicegan.comparison.figure import score_name, scored
from nicegan.comparison.outputs import DIRECTIONS
from nicegan.comparison.plan import Entry, every, parse_budget
from nicegan.comparison.runner import Comparison
from nicegan.comparison.table import ComparisonTable, Row, facts
from nicegan.errors import ConfigError, NiceganError
from nicegan.metric_names import NO_TRANSLATION
from nicegan.metrics.seeds import LEVEL, rounded, spread
from nicegan.recipes import recipe
from nicegan.run_folder import RunFolder

NUM_COLUMNS = 4  # moments of a table, at equal distances
FIRST, LAST = "step", "minute"


class Side(NamedTuple):
    """A row: its name, and the curve of every seed: scores at steps, with the minutes of a step."""

    name: str
    curves: list[tuple[list[int], list[float]]]
    minutes_per_step: float

    def at_step(self, step: float) -> list[float]:
        """Return every seed's score at a step, between two scores their weighted mean."""
        return [float(np.interp(step, steps, scores)) for steps, scores in self.curves]

    def last_step(self) -> int:
        """Return the last step that all seeds have."""
        return min(steps[-1] for steps, _ in self.curves)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what is not done yet, and write the results; returns the exit code."""
    given = parse_arguments(arguments)
    budget = parse_budget(given.budget)
    shared = {name: getattr(given, name) for name in ("data", "features", "image_size", "batch_size", "device")}
    shared |= {"num_threads": given.num_threads, **(every(budget.steps) if budget.steps else {})}
    entries = [parse_side(text, shared) for text in given.side]
    outcome = Comparison(entries, budget, range(given.seeds), given.out, Console(stderr=True)).run()
    write_quality(outcome.table, given.out)
    return outcome.exit_code


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--side", action="append", required=True, metavar="NAME=RECIPE [SETTING=VALUE ...]")
    parser.add_argument("--budget", required=True, help="of each run: steps (1000), or time (90s, 10m)")
    parser.add_argument("--features", required=True, help="a TorchScript file")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--num-threads", type=int, default=1)
    return parser.parse_args(arguments)


def parse_side(text: str, shared: dict[str, Any]) -> Entry:
    """Return the side that "NAME=RECIPE SETTING=VALUE ..." describes; a value is JSON, or a word.

    Raises:
        ConfigError: words of another form, an unknown recipe, or settings that do not fit.
    """
    name, equals, rest = text.partition("=")
    start, *settings = rest.split() or [""]
    if not equals or not name or not all("=" in setting for setting in settings):
        raise ConfigError(f"--side {text!r}: write NAME=RECIPE SETTING=VALUE ...")
    changes = dict(setting.split("=", 1) for setting in settings)
    return Entry(name, recipe(start, **shared, **{key: _value(value) for key, value in changes.items()}))


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def write_quality(table: ComparisonTable, out: Path) -> None:
    """Write quality.md, quality.json and quality.png; nothing where nothing is scored yet."""
    sides = [side for row in table.rows if (side := _side(row))]
    if not sides:
        return
    lines = next(RunFolder(folder).read_metrics() for row in table.rows for folder in row.folders.values())
    untranslated = next((line[NO_TRANSLATION] for line in lines if NO_TRANSLATION in line), None)
    title = score_name(lines)
    parts = ["# Quality", "", *(f"* {fact}" for fact in facts(table)), ""]
    for unit in (FIRST, LAST):
        parts += [f"## {title} at equal {unit}s", "", *_markdown(sides, unit, untranslated), ""]
    parts += [
        "## Pattern (1.00 is none) of the best checkpoint",
        "",
        *_patterns(table),
        "",
        "![Scores](quality.png)",
        "",
    ]
    (out / "quality.md").write_text("\n".join(parts), encoding="utf-8")
    content = {side.name: side._asdict() for side in sides}
    (out / "quality.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    plot(sides, title, untranslated, out / "quality.png")


def _side(row: Row) -> Side | None:
    curves = [scored(RunFolder(folder).read_metrics()) for folder in row.folders.values()]
    curves = [curve for curve in curves if curve[0]]
    return Side(row.name, curves, row.costs.step_seconds / 60) if curves and row.costs else None


def _markdown(sides: list[Side], unit: str, untranslated: float | None) -> list[str]:
    """Return a table of means over seeds with their 95 % intervals, at moments that every side reached."""
    ends = [side.last_step() * (1 if unit == FIRST else side.minutes_per_step) for side in sides]
    moments = [min(ends) * number / NUM_COLUMNS for number in range(1, NUM_COLUMNS + 1)]
    heads = [f"{unit} {moment:.0f}" if unit == FIRST else f"{unit} {moment:.2f}" for moment in moments]
    lines = ["| side | seeds | " + " | ".join(heads) + " |", "|---" * (NUM_COLUMNS + 2) + "|"]
    for side in sides:
        steps = [moment if unit == FIRST else moment / side.minutes_per_step for moment in moments]
        cells = [with_interval(side.at_step(step)) for step in steps]
        lines.append(f"| {side.name} | {len(side.curves)} | " + " | ".join(cells) + " |")
    if untranslated is not None:
        lines.append(f"| no translation | | {rounded(untranslated)} |" + " |" * (NUM_COLUMNS - 1))
    return lines


def with_interval(values: Sequence[float]) -> str:
    """Return the mean over seeds, with half the width of its 95 % interval (Student's t) where there are several."""
    found = spread(values)
    if found.deviation is None:
        return rounded(found.mean)
    quantile = float(stdtrit(found.num_values - 1, (1 + LEVEL) / 2))
    return f"{rounded(found.mean)} ± {rounded(quantile * found.deviation / math.sqrt(found.num_values))}"


def _patterns(table: ComparisonTable) -> list[str]:
    lines = ["| side | " + " | ".join(map(str, DIRECTIONS)) + " |", "|---" * (1 + len(DIRECTIONS)) + "|"]
    for row in table.rows:
        found = [row.values(way, "pattern") for way in DIRECTIONS]
        lines.append(f"| {row.name} | " + " | ".join(with_interval(of) if of else "" for of in found) + " |")
    return lines


def plot(sides: list[Side], title: str, untranslated: float | None, path: Path) -> None:
    """Write the scores over minutes: a colour a side, a thin line a seed, a thick line their mean."""
    from matplotlib.figure import Figure

    sheet = Figure(figsize=(7, 4.2), dpi=110, layout="constrained")
    axes = sheet.subplots()
    for number, side in enumerate(sides):
        for steps, scores in side.curves:
            axes.plot(np.array(steps) * side.minutes_per_step, scores, color=f"C{number}", linewidth=0.6, alpha=0.6)
        steps = side.curves[0][0]
        means = [float(np.mean(side.at_step(step))) for step in steps]
        axes.plot(np.array(steps) * side.minutes_per_step, means, color=f"C{number}", linewidth=2, label=side.name)
    if untranslated is not None:
        axes.axhline(untranslated, color="#8a94a3", linestyle="--", linewidth=1.2, label="no translation")
    axes.set_xlabel("minutes of training")
    axes.set_ylabel(title)
    axes.legend(frameon=False, fontsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    sheet.savefig(path)


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except NiceganError as problem:
        raise SystemExit(f"quality.py: {problem}") from None
