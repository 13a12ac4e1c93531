"""The figure of an ablation: every seed's score, mean and spread, a row a setting."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from nicegan.ablation.table import AblationTable, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINT, MEAN, REFERENCE = "#7aa6d8", "#1d2430", "#8a94a3"
ROW_INCHES, LINE_INCHES, PANEL_INCHES = 0.28, 0.17, 5.6
LETTER_INCHES = 0.075


def plot(table: AblationTable) -> bytes:
    """A panel a score, as a PNG: points of every seed, mean and standard deviation, and the untranslated images."""
    from matplotlib.figure import Figure

    scores = table.scores
    labels = [label(table, row) for row in table.rows]
    lines = [text.count("\n") + 1 for text in labels]
    height = 1.3 + sum(ROW_INCHES + LINE_INCHES * count for count in lines)
    widest = max(len(line) for text in labels for line in text.split("\n"))
    width = LETTER_INCHES * widest + PANEL_INCHES * max(1, len(scores))
    sheet = Figure(figsize=(width, height), dpi=110, layout="constrained")
    panels = sheet.subplots(1, max(1, len(scores)), sharey=True, squeeze=False)[0]
    for axes, score in zip(panels, scores, strict=False):
        _panel(axes, table, score)
    panels[0].set_yticks(range(len(labels)), labels, fontsize=9)
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
    if scores:
        handles, names = panels[0].get_legend_handles_labels()
        once = dict(zip(names, handles, strict=True))
        sheet.legend(once.values(), once.keys(), loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    buffer = io.BytesIO()
    sheet.savefig(buffer, format="png")
    return buffer.getvalue()


def label(table: AblationTable, row: Row) -> str:
    """Return a setting, a switch a line."""
    named = zip(table.grid.switches, row.setting.values, strict=True)
    text = "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in named)
    return text if row.runs else f"{text}\n(no result)"


def _panel(axes: Axes, table: AblationTable, score: str) -> None:
    for index, row in enumerate(table.rows):
        values = [run.scores[score].best for run in row.runs if score in run.scores]
        found = row.best(score)
        if found is None:
            continue
        axes.scatter(values, _beside(index, len(values)), s=26, color=POINT, label="a seed", zorder=2)
        axes.errorbar(
            found.mean, index, xerr=found.deviation, fmt="D", markersize=5, capsize=4, color=MEAN, zorder=3,
            label="mean ± standard deviation",
        )  # fmt: skip
    for value in table.untranslated(score):
        axes.axvline(value, color=REFERENCE, linestyle="--", linewidth=1.2, label="no translation")
    axes.set_title(f"{score.replace('_', ' ')} of the best checkpoint (less is better)", fontsize=10, loc="left")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", labelsize=9)


def _beside(index: int, count: int) -> list[float]:
    """Heights of a row's points, apart from each other so that equal ones are seen."""
    return [index + 0.24 * ((number + 1) / (count + 1) - 0.5) for number in range(count)]
