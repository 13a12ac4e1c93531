"""The results of a benchmark as a table for people."""

from __future__ import annotations

from typing import Any

from rich.table import Table

Row = dict[str, Any]
WORDS = {
    "step": "x faster: than the reference. x floor: times the seconds that the step's arithmetic would take at the "
    "speed of its largest convolution. saved: activations saved for the backward pass. peak: most memory allocated on "
    "the GPU, or held by the process on a CPU; for a bare convolution its speed instead.",
    "translation": "x faster: than the reference.",
    "data": "x a step's: times as many images as the training step takes in the same time.",
}


def tables(results: dict[str, Any]) -> list[Table]:
    """Return one table for each part that was measured."""
    shown = {
        "step": ("training step", _step_row, ("seconds (range)", "x faster", "x floor", "saved MiB", "peak GiB")),
        "translation": ("translation", _speed_row, ("seconds (range)", "images/s", "x faster")),
        "data": ("training images from the cache", _data_row, ("seconds (range)", "images/s", "x a step's")),
        "start-up": ("start-up", lambda row: (_seconds(row),), ("seconds (range)",)),
    }
    found = []
    for part, (title, columns_of, names) in shown.items():
        if part not in results:
            continue
        rows = dict(results[part])
        heading = f"{title}: {rows.pop('settings')}"
        table = Table(title=heading, title_justify="left", caption=WORDS.get(part), caption_justify="left")
        table.add_column("", no_wrap=True)
        for name in names:
            table.add_column(name, justify="right", overflow="fold")
        for name, row in rows.items():
            table.add_row(name, *(columns_of(row) if isinstance(row, dict) else (f"{row:.3f}",)))
        found.append(table)
    return found


def _seconds(row: Row) -> str:
    seconds = row["seconds"]
    digits = 5 if seconds["median"] < 1e-3 else 4 if seconds["median"] < 0.1 else 2
    return f"{seconds['median']:.{digits}f} ({seconds['min']:.{digits}f} to {seconds['max']:.{digits}f})"


def _step_row(row: Row) -> tuple[str, ...]:
    kept, peak = row.get("kept_activations"), row.get("peak_bytes")
    if kept is not None and "activations_ratio" in row:
        kept_text = f"{kept / 2**20:.0f} ({row['activations_ratio']:.2f} of it)"
    else:
        kept_text = f"{kept / 2**20:.0f}" if kept is not None else ""
    peak_text = (
        f"{peak / 2**30:.1f}" if peak is not None else f"{row['flops'] / row['seconds']['median'] / 1e12:.2f} TFLOP/s"
    )
    return _seconds(row), _number(row, "times_faster"), _number(row, "times_floor"), kept_text, peak_text


def _speed_row(row: Row) -> tuple[str, ...]:
    return _seconds(row), f"{row['images_per_second']:.1f}", _number(row, "times_faster")


def _data_row(row: Row) -> tuple[str, ...]:
    return _seconds(row), f"{row['images_per_second']:.0f}", _number(row, "times_step")


def _number(row: Row, name: str) -> str:
    return f"{row[name]:.2f}" if name in row else ""
