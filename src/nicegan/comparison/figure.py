"""The curves of a comparison: the score that chose the checkpoints, over steps and over minutes of training."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from nicegan.comparison.table import ComparisonTable
from nicegan.metric_names import NO_TRANSLATION, parse_score
from nicegan.run_folder import Metrics, RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REFERENCE = "#8a94a3"
PANEL_INCHES = (5.4, 4.0)


def plot(table: ComparisonTable) -> bytes | None:
    """Return both panels as a PNG: a line a run, a colour a recipe; None where nothing is scored yet."""
    from matplotlib.figure import Figure

    runs = [
        (row.name, RunFolder(folder).read_metrics(), row.config.batch_size)
        for row in table.rows
        for folder in row.folders.values()
    ]
    if not any(parse_score(name) for _, lines, _ in runs for line in lines for name in line):
        return None
    sheet = Figure(figsize=(2 * PANEL_INCHES[0], PANEL_INCHES[1]), dpi=110, layout="constrained")
    over_steps, over_minutes = sheet.subplots(1, 2, sharey=True)
    colours = {row.name: f"C{number}" for number, row in enumerate(table.rows)}
    for name, lines, batch_size in runs:
        steps, scores = scored(lines)
        minutes = minutes_at(lines, batch_size)
        for axes, places in ((over_steps, steps), (over_minutes, [minutes[step] for step in steps])):
            axes.plot(places, scores, color=colours[name], marker="o", markersize=3, linewidth=1, label=name)
    every_line = [line for _, lines, _ in runs for line in lines]
    untranslated = next((line[NO_TRANSLATION] for line in every_line if NO_TRANSLATION in line), None)
    _finish(over_steps, "steps", untranslated)
    _finish(over_minutes, "minutes of training", untranslated)
    over_steps.set_ylabel(score_name(runs[0][1]))
    handles, names = over_steps.get_legend_handles_labels()
    once = dict(zip(names, handles, strict=True))
    sheet.legend(once.values(), once.keys(), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    buffer = io.BytesIO()
    sheet.savefig(buffer, format="png")
    return buffer.getvalue()


def scored(lines: Metrics) -> tuple[list[int], list[float]]:
    """Return the steps of a run that were scored, and their first score."""
    found = {int(line["step"]): value for line in lines for name, value in line.items() if parse_score(name)}
    return list(found), list(found.values())


def minutes_at(lines: Metrics, batch_size: int) -> dict[int, float]:
    """Return the minutes of training up to each logged step, from the speed that was logged on the way."""
    minutes, step, speed, found = 0.0, 0, 0.0, {}
    for line in lines:
        speed = line.get("images_per_second", speed)
        now = int(line["step"])
        minutes += 2 * batch_size * max(0, now - step) / speed / 60 if speed else 0.0
        step = max(step, now)
        found[now] = minutes
    return found


def score_name(lines: Metrics) -> str:
    """Return what the curves show, in words."""
    name = next((found for line in lines for found in map(parse_score, line) if found), "score")
    return f"{name.replace('_', ' ')} (less is better)"


def _finish(axes: Axes, over: str, untranslated: float | None) -> None:
    if untranslated is not None:
        axes.axhline(untranslated, color=REFERENCE, linestyle="--", linewidth=1.2, label="no translation")
    axes.set_xlabel(over)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
