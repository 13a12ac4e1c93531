"""The table of a comparison: scores of both directions over seeds and images, and what each recipe costs."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from nicegan.comparison.costs import Costs
from nicegan.comparison.outputs import DIRECTIONS, Direction, Scores
from nicegan.evaluation.evaluate import UNTRANSLATED
from nicegan.inference.styles import SCORES_USE, has_styles
from nicegan.metrics.seeds import Spread, rounded, spread
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder

NAMES = {  # less is better, but SSIM says how much of the source is there, and a pattern of 1.00 is none
    "kernel": "KD x 100",
    "frechet": "FD",
    "sliced_wasserstein": "sliced Wasserstein",
    "pattern": "pattern",
    "similarity": "SSIM to source",
}
KERNEL_FACTOR = 100
PARTS = ("value", "reach")
GIB = 2**30


class Row(NamedTuple):
    """A recipe: its configuration, scores and folders by seed, its costs, and why it failed, if it did."""

    name: str
    config: RunConfig
    scores: dict[int, Scores]
    folders: dict[int, Path]
    costs: Costs | None
    failure: str | None

    def values(self, way: Direction, score: str) -> list[float]:
        """Return a score of every seed that has it."""
        found = [of[str(way)].get(score, {}).get("value") for of in self.scores.values()]
        return [_scaled(score, value) for value in found if value is not None]

    def over_seeds(self, way: Direction, score: str) -> Spread | None:
        """Return mean and deviation over seeds; None without results."""
        values = self.values(way, score)
        return spread(values) if values else None

    def over_images(self, way: Direction, score: str) -> float | None:
        """Return half the width of the 95 % interval over images, the mean of all seeds."""
        found = [of[str(way)].get(score, {}).get("reach") for of in self.scores.values()]
        reaches = [_scaled(score, reach) for reach in found if reach is not None]
        return fmean(reaches) if reaches else None

    def images_per_second(self) -> float | None:
        """Return the training speed as the runs logged it, their mean."""
        logged = [RunFolder(folder).read_metrics() for folder in self.folders.values()]
        speeds = [line["images_per_second"] for lines in logged for line in lines if "images_per_second" in line]
        return fmean(speeds) if speeds else None


class ComparisonTable(NamedTuple):
    """Everything the files are made from; `features` is the feature network's name, if there is one."""

    rows: tuple[Row, ...]
    budget: str
    seeds: tuple[int, ...]
    origin: dict[str, Any]
    features: str | None

    def scores(self) -> list[str]:
        """Return the scores there are, in the order of the table."""
        there = {name for row in self.rows for of in row.scores.values() for way in of.values() for name in way}
        return [name for name in NAMES if name in there]

    def untranslated(self, way: Direction, score: str) -> float | None:
        """Return the score of the images as they are."""
        values = [value for row in self.rows for value in row.values(way, f"{UNTRANSLATED}/{score}")]
        return values[0] if values else None


def heads(table: ComparisonTable) -> list[str]:
    """Return the heads of the table for people."""
    scored = [f"{NAMES[score]}, {way}" for score in table.scores() for way in DIRECTIONS]
    return [
        "recipe", "seeds", *scored, "trained parameters (M)", "for translating (M)", "GFLOP a step", "ms a step",
        "memory (GiB)", "images/s",
    ]  # fmt: skip


def cells(table: ComparisonTable, row: Row) -> list[str]:
    """Return a row for people."""
    scored = [_cell(row, way, score) for score in table.scores() for way in DIRECTIONS]
    cost, speed = row.costs, row.images_per_second()
    costs = [
        f"{cost.parameters / 1e6:.2f}",
        f"{cost.translation_parameters / 1e6:.2f}",
        f"{cost.flops / 1e9:.1f}",
        f"{1000 * cost.step_seconds:.0f}",
        f"{cost.step_bytes / GIB:.2f}",
    ] if cost else [""] * 5  # fmt: skip
    return [row.name, str(len(row.scores)), *scored, *costs, f"{speed:.1f}" if speed else ""]


def untranslated_cells(table: ComparisonTable) -> list[str]:
    """Return the row of not translating at all."""
    values = [table.untranslated(way, score) for score in table.scores() for way in DIRECTIONS]
    return [UNTRANSLATED, "", *("" if value is None else rounded(value) for value in values), *[""] * 6]


def _cell(row: Row, way: Direction, score: str) -> str:
    found, reach = row.over_seeds(way, score), row.over_images(way, score)
    if found is None:
        return ""
    return str(found) if reach is None else f"{found} (images ± {rounded(reach)})"


def facts(table: ComparisonTable) -> list[str]:
    """Return under which conditions, and how to read the numbers; a line each."""
    first = table.rows[0].config
    size = "x".join(map(str, first.size))
    seeds = ", ".join(map(str, table.seeds))
    lines = [
        f"Budget of each run: {table.budget}. A small budget says nothing about what the papers report.",
        f"{Path(str(first.data)).name} at {size} pixels, batch {first.batch_size}, seeds {seeds}; every set of images "
        "is scored at this size.",
        "Scores: mean ± standard deviation over seeds; in brackets half the width of the 95 % interval over images. "
        "Of each run the checkpoint with the best score on the test images is taken, so these are no scores of "
        "unseen images.",
        "Pattern: energy of periods of 2 and 4 pixels, an up-sampling grid, over that of real images; 1.00 is none.",
        f"Features: {table.features}." if table.features else "No feature network: sliced Wasserstein distance only.",
        "Memory is predicted, the time of a step is the median of turns that the recipes took, images/s is training's.",
        f"Machine: {table.origin.get('machine', 'unknown')}.",
    ]
    for row in table.rows:
        styles = f"; {SCORES_USE}" if has_styles(row.config.method, row.config.size) else ""
        lines.append(f"{row.name}: {settings(row.config)}{styles}.")
    lines += [f"{row.name} failed: {row.failure}" for row in table.rows if row.failure]
    return lines


def settings(config: RunConfig) -> str:
    """Return the settings of a recipe that decide such comparisons: steps, optimizer, losses."""
    optimizer, loss = config.method.optimizer, config.method.loss  # pyright: ignore[reportAttributeAccessIssue]
    losses = ", ".join(f"{name} {value:g}" for name, value in loss.model_dump().items() if isinstance(value, float))
    return (
        f"{config.method.title}, {config.method.summary()}; {config.steps:,} steps, learning rate "
        f"{optimizer.learning_rate:g}, betas {optimizer.beta1:g} and {optimizer.beta2:g}, weight decay "
        f"{optimizer.weight_decay:g}; losses: {losses}"
    )


def markdown(table: ComparisonTable) -> str:
    """Return the table and its conditions as Markdown."""
    rows = [cells(table, row) for row in table.rows]
    if any(row.scores for row in table.rows):
        rows.append(untranslated_cells(table))
    columns = heads(table)
    lines = ["| " + " | ".join(row) + " |" for row in (columns, ["---"] * len(columns), *rows)]
    listed = [f"* {line}" for line in facts(table)]
    sheets = [f"![{way}](sheet-{way.folder}.png)" for way in DIRECTIONS]
    figures = ["![Scores over steps and minutes](curves.png)", *sheets]
    return "\n".join(["# Comparison", "", *listed, "", *lines, "", *figures, ""])


def as_json(table: ComparisonTable) -> dict[str, Any]:
    """Return every number of the table."""
    rows = [
        {
            "recipe": row.name,
            "scores": {str(seed): of for seed, of in row.scores.items()},
            "costs": row.costs and row.costs._asdict(),
            "images_per_second": row.images_per_second(),
            "failure": row.failure,
            "config": row.config.model_dump(mode="json"),
        }
        for row in table.rows
    ]
    return {
        "budget": table.budget, "seeds": table.seeds, "features": table.features, "rows": rows, **table.origin
    }  # fmt: skip


def as_csv(table: ComparisonTable) -> str:
    """Return one line a recipe, seed and direction."""
    lines: list[dict[str, Any]] = []
    names = table.scores()
    for row in table.rows:
        for seed, of in row.scores.items():
            for way in DIRECTIONS:
                found = of[str(way)]
                scored = {f"{name}_{part}": found.get(name, {}).get(part) for name in names for part in PARTS}
                costs = row.costs._asdict() if row.costs else {}
                lines.append({"recipe": row.name, "seed": seed, "direction": str(way), **scored, **costs})
    sheet = io.StringIO()
    if lines:
        writer = csv.DictWriter(sheet, lines[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return sheet.getvalue()


def _scaled(score: str, value: float) -> float:
    return KERNEL_FACTOR * value if score.endswith("kernel") else value
