"""report.html: what was run, how it went and what it draws, in one file that needs nothing else."""

from __future__ import annotations

import base64
import html
import io
import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nicegan.atomic import write_atomically
from nicegan.config import RunConfig
from nicegan.evaluation.origin import best_in_words, read_origins
from nicegan.run_folder import Metrics, RunFolder

REPORT_FILE = "report.html"
LONGEST_NUMBER = 24  # characters of a cell that is never broken: "-1234.56 ± 1234.56"
FEW_POINTS = 30  # fewer are drawn as they are, more are smoothed

STYLE = """
:root { color-scheme: light }
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2430; background: #f6f7f9; margin: 0 }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 64px }
h1 { font-size: 1.7rem; margin: .4em 0 0 } h2 { font-size: 1.15rem; margin: 2em 0 .6em }
h3 { font-size: 1rem; margin: 2em 0 .4em } .scroll { margin: 12px 0 }
p.lead { color: #5a6577; margin: .2em 0 1.2em }
section { background: #fff; border: 1px solid #e2e6ec; border-radius: 8px; padding: 4px 20px 20px; margin: 20px 0 }
table { border-collapse: collapse; width: 100% } .scroll { overflow-x: auto }
th, td { text-align: left; padding: 6px 14px 6px 0; border-bottom: 1px solid #eceff3; vertical-align: top }
th { color: #5a6577; font-weight: 600 } td.number { font-variant-numeric: tabular-nums }
img { max-width: 100%; height: auto; display: block } figure { margin: 12px 0 } figcaption { color: #5a6577 }
.wide img { min-width: 720px } td { overflow-wrap: anywhere }
td:first-child { overflow-wrap: normal; min-width: 6.5em } td.number { white-space: nowrap }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 8px 20px }
.panels figcaption { display: none } pre { overflow-x: auto; font-size: .85rem } summary { cursor: pointer }
"""


def write_report(run: Path, first: Sequence[str] = (), analysis: Sequence[str] = ()) -> Path:
    """Write RUN/report.html from what the run folder holds.

    Args:
        run: a run folder.
        first: sections that stand first, as HTML.
        analysis: sections that follow the curves; if none are given, the report says how to have them.

    Returns:
        The report's path.

    Raises:
        ConfigError: there is no run, or its config.json cannot be read.
    """
    folder = RunFolder(run)
    config, metrics = folder.read_config(), folder.read_metrics()
    settings = text(config.model_dump(mode="json"))
    sections = [
        *first,
        section("Samples", samples(run)),
        section("Curves", curves(metrics)),
        *(analysis or [section("Scores, latents, heatmaps", paragraph(f"Made by: {whole_report_command(run)}"))]),
        section("Cost and origin", table(("", ""), facts(folder, config, metrics))),
        section("Configuration", f"<details><summary>All settings</summary><pre>{settings}</pre></details>"),
    ]
    data = Path(config.data or config.domain_a or "").name
    lead = f"Recipe {config.recipe} on {data}, {steps_done(metrics):,} of {config.steps:,} steps"
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(run.resolve().name)}: nicegan report</title><style>{STYLE}</style></head><body><main>"
        f"<h1>{html.escape(run.resolve().name)}</h1><p class=lead>{html.escape(lead)}</p>"
        f"{''.join(sections)}</main></body></html>"
    )
    path = run / REPORT_FILE
    write_atomically(path, page.encode())
    return path


def refresh_report(run: Path) -> Path:
    """`write_report`, unless the report there is newer than the last checkpoint: it may be the whole one."""
    report, latest = run / REPORT_FILE, RunFolder(run).latest
    if report.is_file() and latest.is_file() and report.stat().st_mtime_ns >= latest.stat().st_mtime_ns:
        return report
    return write_report(run)


def whole_report_command(run: Path) -> str:
    """What adds scores, latents and heatmaps to a run's report."""
    return f"nicegan report {shlex.quote(str(run))}"


def section(title: str, content: str) -> str:
    """A titled box."""
    return f"<section><h2>{html.escape(title)}</h2>{content}</section>"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls sideways on narrow screens."""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns) if any(columns) else ""
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f"<div class=scroll><table><tr>{head}</tr>{body}</table></div>"


def _cell(words: str) -> str:
    kind = " class=number" if len(words) <= LONGEST_NUMBER else ""
    return f"<td{kind}>{html.escape(words)}</td>"


def subtitle(words: str) -> str:
    """The title of a part of a box."""
    return f"<h3>{html.escape(words)}</h3>"


def paragraph(words: str) -> str:
    """A line of text."""
    return f"<p>{html.escape(words)}</p>"


def figure(png: bytes, caption: str, *, wide: bool = False) -> str:
    """A picture inside the page; a wide one scrolls sideways on narrow screens instead of shrinking."""
    data = base64.b64encode(png).decode()
    frame = "scroll wide" if wide else ""
    return (
        f'<figure><div class="{frame}"><img alt="{html.escape(caption)}" src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def text(value: Any) -> str:
    """JSON, safe inside HTML."""
    return html.escape(json.dumps(value, indent=1))


def steps_done(metrics: Metrics) -> int:
    """The last step that was logged."""
    return int(metrics[-1]["step"]) if metrics else 0


def samples(run: Path) -> str:
    """The newest grid; and earlier ones, folded away."""
    grids = sorted(path for path in (run / "samples").glob("*.png") if path.stem.isdigit())
    if not grids:
        return "<p>No samples yet.</p>"
    shown = [
        figure(grid.read_bytes(), f"Step {int(grid.stem):,}", wide=True)
        for grid in (grids[-1], *thinned(grids[:-1], 5))
    ]
    earlier = f"<details><summary>Earlier</summary>{''.join(shown[1:])}</details>" if len(shown) > 1 else ""
    return shown[0] + earlier


def thinned(items: Sequence[Path], count: int) -> list[Path]:
    """At most `count` of the items, evenly spread, newest first."""
    stride = max(1, -(-len(items) // count))
    return list(items[::-1][::stride])


def facts(folder: RunFolder, config: RunConfig, metrics: Metrics) -> list[tuple[str, str]]:
    """Time, speed, machine, versions, and which checkpoint is best."""
    logged = [line for line in metrics if "images_per_second" in line]
    origins = read_origins(folder)
    processes = origins[-1].processes
    rows = [("machine", f"{origins[-1].machine}{f', {processes} processes' if processes > 1 else ''}")]
    if logged:
        speed = logged[-1]["images_per_second"]
        per_step = 2 * config.batch_size * config.accumulate * processes
        minutes = per_step / speed / 60
        whole = f"{minutes * steps_done(metrics):.0f} minutes for the {steps_done(metrics):,} steps so far"
        rows.append(("time", f"{speed:.1f} images/s: {1000 * minutes:.1f} minutes per 1,000 steps, {whole}"))
        if "memory_bytes" in logged[-1]:
            rows.append(("memory", f"{logged[-1]['memory_bytes'] / 2**30:.2f} GiB at the peak of the first process"))
    if best := best_in_words(folder.best):
        rows.append(("best checkpoint", best))
    return [*rows, ("versions", origins[0].named_versions()), ("commit", origins[0].named_commit())]


PANELS: dict[str, Callable[[str], bool]] = {
    "Discriminator terms": lambda name: name.startswith("discriminator/"),
    "Generator: adversarial terms": lambda name: (
        name.startswith("generator/") and name.endswith(("cam", "local", "global"))
    ),
    "Generator: cycle and reconstruction": lambda name: name.endswith(("cycle", "reconstruction")),
    "Score of translations (less is better)": lambda name: name.startswith("score/"),
}


def curves(metrics: Metrics) -> str:
    """A panel each for the discriminators, fooling them, coming back, and the score, over the steps."""
    drawn = (figure(panel(metrics, title, belongs), f"{title}, by step") for title, belongs in PANELS.items())
    return f"<div class=panels>{''.join(drawn)}</div>"


def panel(metrics: Metrics, title: str, belongs: Callable[[str], bool]) -> bytes:
    """The curves of the metrics that belong to a panel, as a PNG."""
    from matplotlib.figure import Figure

    sheet = Figure(figsize=(6.4, 3.8), dpi=110, layout="constrained")
    axes = sheet.subplots()
    for name in dict.fromkeys(name for line in metrics for name in line if belongs(name)):
        points = [(line["step"], line[name]) for line in metrics if name in line]
        steps, values = zip(*points, strict=True)
        label = name.partition("/")[2].replace("_", " ")
        if name.endswith("no_translation"):
            axes.plot(steps, values, label=label, linewidth=1.5, color="#8a94a3", linestyle="--")
        elif len(values) < FEW_POINTS:
            axes.plot(steps, values, label=label, linewidth=1.5, marker="o", markersize=4)
        else:
            axes.plot(*smoothed(steps, values), label=label, linewidth=1.5)
        if name.startswith("score/") and not name.endswith("no_translation"):
            least = values.index(min(values))
            axes.plot(steps[least], values[least], "*", markersize=12, color="#d55e00", label=f"best: {steps[least]:,}")
    axes.set_title(title, fontsize=11, loc="left")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.has_data():
        axes.legend(fontsize=8, frameon=False, ncols=2)
        axes.set_ylim(bottom=0)
    axes.set_xlabel("step", fontsize=9)
    buffer = io.BytesIO()
    sheet.savefig(buffer, format="png")
    return buffer.getvalue()


def smoothed(steps: Sequence[float], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Means of up to 100 equal stretches, so that trends show through the noise of single batches."""
    stride = max(1, -(-len(values) // 100))
    starts = range(0, len(values), stride)
    return (
        [sum(steps[i : i + stride]) / len(steps[i : i + stride]) for i in starts],
        [sum(values[i : i + stride]) / len(values[i : i + stride]) for i in starts],
    )
