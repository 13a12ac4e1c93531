"""report.html: what was run, how it went and what it makes, in one file that needs nothing else."""

from __future__ import annotations

import io
import shlex
from collections.abc import Sequence
from pathlib import Path

from nicegan.files import write_atomically
from nicegan.hints import OF_IMAGES, Findings
from nicegan.metric_names import NO_TRANSLATION, parse_score, parse_term
from nicegan.report.html import figure, page, paragraph, section, table, text
from nicegan.report.origin import best_in_words, read_origins
from nicegan.report.seen import loss_findings, seen_section
from nicegan.run_config import RunConfig
from nicegan.run_folder import Metrics, RunFolder
from nicegan.score_summary import score_summary

REPORT_FILE = "report.html"
FEW_POINTS = 30  # fewer are plotted as they are, more are smoothed


def write_report(
    run: Path, first: Sequence[str] = (), analysis: Sequence[str] = (), findings: Findings | None = None
) -> Path:
    """Write RUN/report.html from what the run folder holds.

    Args:
        run: a run folder.
        first: sections that follow what we see, as HTML.
        analysis: sections that follow the curves; if none are given, the report says how to have them.
        findings: what we see in the run; by default what its losses alone say.

    Returns:
        The report's path.

    Raises:
        ConfigError: there is no run, or its config.json cannot be read.
    """
    folder = RunFolder(run)
    config, metrics = folder.read_config(), folder.read_metrics()
    settings = text(config.model_dump(mode="json"))
    sections = [
        seen_section(without_translations(run, config, metrics) if findings is None else findings),
        *first,
        section("Samples", samples(run)),
        section("Curves", curves(metrics)),
        *(analysis or [section("Scores, latents, heatmaps", paragraph(f"Made by: {whole_report_command(run)}"))]),
        section("Cost and origin", table(("", ""), facts(folder, config, metrics))),
        section("Configuration", f"<details><summary>All settings</summary><pre>{settings}</pre></details>"),
    ]
    data = Path(config.data or config.domain_a or "").name
    lead = f"Recipe {config.recipe} on {data}, {steps_done(metrics):,} of {config.steps:,} steps"
    path = run / REPORT_FILE
    write_atomically(path, page(run.resolve().name, lead, sections).encode())
    return path


def without_translations(run: Path, config: RunConfig, metrics: Metrics) -> Findings:
    """Return what the losses of a run say of it, and how to have its translations looked at."""
    reason = f"made by: {whole_report_command(run)}"
    return loss_findings(config, metrics).and_also(Findings(unmeasured=((OF_IMAGES, reason),)))


def refresh_report(run: Path) -> Path:
    """`write_report`, unless the report there is newer than the last checkpoint: it may be the whole one."""
    report, latest = run / REPORT_FILE, RunFolder(run).latest
    if report.is_file() and latest.is_file() and report.stat().st_mtime_ns >= latest.stat().st_mtime_ns:
        return report
    return write_report(run)


def whole_report_command(run: Path) -> str:
    """Return what adds scores, latents and heatmaps to a run's report."""
    return f"nicegan report {shlex.quote(str(run))}"


def steps_done(metrics: Metrics) -> int:
    """Return the last step that was logged."""
    return int(metrics[-1]["step"]) if metrics else 0


def samples(run: Path) -> str:
    """Return the newest grid; and earlier ones, folded away."""
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
        whole = f"{minutes_so_far(logged, per_step):.0f} minutes for the {steps_done(metrics):,} steps so far"
        rows.append(("time", f"{speed:.1f} images/s: {1000 * minutes:.1f} minutes per 1,000 steps, {whole}"))
        if "memory_bytes" in logged[-1]:
            rows.append(("memory", f"{logged[-1]['memory_bytes'] / 2**30:.2f} GiB at the peak of the first process"))
    if best := best_in_words(folder.best):
        rows.append(("best checkpoint", best))
    if summary := score_summary(metrics):
        rows.append(("score", summary))
    return [*rows, ("versions", origins[0].named_versions()), ("commit", origins[0].named_commit())]


def minutes_so_far(logged: Metrics, images_per_step: int) -> float:
    """Return the training time of all sessions, each at its own speed."""
    before = [0.0, *(line["step"] for line in logged)]
    return sum(
        (line["step"] - step) * images_per_step / max(line["images_per_second"], 1e-9) / 60
        for step, line in zip(before, logged, strict=False)
    )


def panels(metrics: Metrics) -> dict[str, list[str]]:
    """Return the names of each panel's curves: one panel for each phase, and one for the scores."""
    names = list(dict.fromkeys(name for line in metrics for name in line))
    found: dict[str, list[str]] = {}
    for name in names:
        if term := parse_term(name):
            found.setdefault(f"{term.phase.capitalize()} terms", []).append(name)
    scores = [name for name in names if parse_score(name) or name == NO_TRANSLATION]
    return found | {"Score of translations (less is better)": scores}


def curves(metrics: Metrics) -> str:
    """Return the panels of all phases and scores, over the steps."""
    figures = (figure(panel(metrics, title, names), f"{title}, by step") for title, names in panels(metrics).items())
    return f"<div class=panels>{''.join(figures)}</div>"


def panel(metrics: Metrics, title: str, names: Sequence[str]) -> bytes:
    """Return the curves of the metrics of these names, as a PNG."""
    from matplotlib.figure import Figure

    sheet = Figure(figsize=(6.4, 3.8), dpi=110, layout="constrained")
    axes = sheet.subplots()
    for name in names:
        points = [(line["step"], line[name]) for line in metrics if name in line]
        steps, values = zip(*points, strict=True)
        label = name.partition("/")[2].replace("_", " ")
        if name == NO_TRANSLATION:
            axes.plot(steps, values, label=label, linewidth=1.5, color="#8a94a3", linestyle="--")
        elif len(values) < FEW_POINTS:
            axes.plot(steps, values, label=label, linewidth=1.5, marker="o", markersize=4)
        else:
            axes.plot(*smoothed(steps, values), label=label, linewidth=1.5)
        if parse_score(name):
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
