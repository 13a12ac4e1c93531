"""How the cost of a training step grows with image size, batch and width: a table and a plot.

    python benchmarks/growth.py --out benchmarks/results --rounds 5

writes growth_DEVICE.md and growth_DEVICE.png. Every point is a process of its own, in float32 (tf32 on a GPU).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from nicegan.bench import sides
from nicegan.bench.turns import take_turns
from nicegan.device import set_up_machine
from nicegan.recipes import recipe
from nicegan.run_config import RunConfig
from nicegan.training.logger import source_commit
from nicegan.training.memory import predict

AXES: dict[str, list[int]] = {
    "image_size": [96, 128, 192, 256],
    "batch_size": [1, 2, 4],
    "base_channels": [16, 32, 64],
}
NAMES = {"image_size": "image size (px)", "batch_size": "batch size", "base_channels": "base channels"}


class Point(NamedTuple):
    """One setting and what it cost."""

    value: int
    seconds: float
    teraflop: float
    peak_gib: float
    predicted_gib: float


def config_at(axis: str, value: int) -> RunConfig:
    if axis == "base_channels":
        return recipe("nicegan", image_size=128, network={"base_channels": value})
    return recipe("nicegan", **{"image_size": 128, axis: value})


def measure(axis: str, value: int, rounds: int) -> Point:
    config = config_at(axis, value)
    name = f"{axis} {value}"
    result = take_turns({name: (sides.step, {"config": config})}, rounds, print)[name]
    need = predict(config, set_up_machine(config.device, config.precision))
    facts = result.facts
    return Point(value, result.median, facts["flops"] / 1e12, facts["peak_bytes"] / 2**30, need.total / 2**30)


def table(points: dict[str, list[Point]], machine: str) -> str:
    lines = [
        "# How the cost of a training step grows",
        "",
        f"Machine: {machine}, commit {source_commit()}. `python benchmarks/growth.py`. The `nicegan` networks",
        "at 128 px, batch 1, 64 base channels unless a row says otherwise; medians. Predicted: `nicegan bench memory`.",
    ]
    for axis, row_of in points.items():
        lines += [
            "",
            f"| {NAMES[axis]} | seconds | TFLOP | TFLOP/s | peak GiB | predicted GiB | off by |",
            "|---|" + "---|" * 6,
        ]
        for p in row_of:
            off = p.predicted_gib / p.peak_gib - 1
            speed = p.teraflop / p.seconds
            lines.append(
                f"| {p.value} | {p.seconds:.2f} | {p.teraflop:.3f} | {speed:.2f} "
                f"| {p.peak_gib:.2f} | {p.predicted_gib:.2f} | {off:+.0%} |"
            )
    return "\n".join(lines) + "\n"


def plot(points: dict[str, list[Point]], file: Path) -> None:
    figure, panels = plt.subplots(2, len(points), figsize=(10, 5.5), sharey="row", layout="constrained")
    for column, (axis, row_of) in enumerate(points.items()):
        values = [p.value for p in row_of]
        above, below = panels[0, column], panels[1, column]
        above.loglog(values, [p.seconds for p in row_of], "o-", color="#1f6f8b")
        below.semilogx(values, [p.peak_gib for p in row_of], "o-", color="#1f6f8b", label="measured")
        below.semilogx(values, [p.predicted_gib for p in row_of], "x--", color="#c8553d", label="predicted")
        for panel in (above, below):
            panel.set_xticks(values, [str(value) for value in values])
            panel.minorticks_off()
            panel.grid(alpha=0.3)
        below.set_ylim(bottom=0)
        below.set_xlabel(NAMES[axis])
    panels[0, 0].set_ylabel("seconds a step")
    panels[0, 0].set_yticks([0.25, 0.5, 1, 2, 4, 8], ["0.25", "0.5", "1", "2", "4", "8"])
    panels[1, 0].set_ylabel("peak memory (GiB)")
    panels[1, 0].legend(frameon=False)
    figure.savefig(file, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--rounds", type=int, default=5)
    given: Any = parser.parse_args()
    points = {axis: [measure(axis, value, given.rounds) for value in values] for axis, values in AXES.items()}
    machine = set_up_machine("auto", "auto")
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / f"growth_{machine.device.type}.md").write_text(table(points, str(machine)))
    plot(points, given.out / f"growth_{machine.device.type}.png")


if __name__ == "__main__":
    main()
