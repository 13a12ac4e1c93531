"""The figure of a study: a bar for each method with its interval, and the line of chance."""

from __future__ import annotations

import io

from nicegan.study.definition import REAL
from nicegan.study.document import SHARE, name_of
from nicegan.study.results import Results

BAR, REAL_BAR, CHANCE = "#3b6ea8", "#8a94a3", "#b3412c"
INCHES = (6.4, 0.55)  # width; height of a bar


def plot(results: Results) -> bytes:
    """Return the figure as a PNG."""
    from matplotlib.figure import Figure

    rows = sorted(results.counted.rows, key=lambda row: row.share.value)
    sheet = Figure(figsize=(INCHES[0], 1.3 + INCHES[1] * len(rows)), dpi=150, layout="constrained")
    axes = sheet.subplots()
    for number, row in enumerate(rows):
        share = row.share
        axes.barh(number, 100 * share.value, height=0.62, color=REAL_BAR if row.label == REAL else BAR)
        end = share.value
        if share.low is not None and share.high is not None:
            reach = [[100 * (share.value - share.low)], [100 * (share.high - share.value)]]
            axes.errorbar([100 * share.value], [number], xerr=reach, color="black", capsize=4, linewidth=1.3)
            end = share.high
        behind = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        axes.text(100 * end + 1.5, number, f"{100 * share.value:.1f} %", va="center", fontsize=9, bbox=behind)
    axes.axvline(100 * results.chance, color=CHANCE, linestyle="--", linewidth=1.2)
    axes.text(100 * results.chance, len(rows) - 0.45, " chance", color=CHANCE, fontsize=9, va="bottom")
    axes.set_yticks(range(len(rows)), [name_of(row.label) for row in rows])
    axes.set_xlim(0, min(112, max((100 * (row.share.high or row.share.value) for row in rows), default=0) + 14))
    axes.set_ylim(-0.6, len(rows) - 0.1)
    counted = results.counted
    axes.set_xlabel(
        f"{SHARE[results.definition.kind]}, % of trials, 95 % intervals "
        f"({counted.num_raters} raters, {len(results.definition.subjects)} images, {counted.num_votes} votes)"
    )
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    sheet.savefig(buffer, format="png")
    return buffer.getvalue()
