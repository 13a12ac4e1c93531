"""What a run tells: a progress line for people, metrics.jsonl and TensorBoard for later."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from nicegan.console import say
from nicegan.metric_names import parse_term
from nicegan.run_folder import RunFolder
from nicegan.training.tensorboard import Board

PLAIN_INTERVAL_SECONDS = 30.0  # between lines where there is no terminal
LARGEST_LOG_BYTES = 16 << 20


class MetricsWriter:
    """metrics.jsonl, one line per logged step, and the same in TensorBoard's format.

    A resumed run starts where its checkpoint stands: lines of later steps, from before it broke off, are removed. A
    large file is set aside as metrics.1.jsonl and so on; `RunFolder.read_metrics` reads all of them.
    """

    def __init__(self, folder: RunFolder, first_step: int, num_steps: int) -> None:
        self.folder = folder
        folder.trim_metrics(first_step)
        self.file = self._open()
        self.board = Board(folder.root / "tensorboard", first_step, num_steps)
        note = self.board.add if self.board.is_new else self.board.pass_over
        for line in folder.read_metrics():
            note(int(line["step"]), {name: value for name, value in line.items() if name != "step"})

    def write(self, step: int, values: dict[str, float]) -> None:
        """One line: the step and its named values."""
        if self.file.tell() > LARGEST_LOG_BYTES:
            self.file.close()
            self.folder.set_metrics_aside()
            self.file = self._open()
        self.file.write(json.dumps({"step": step, **values}) + "\n")
        self.board.add(step, values)

    def show(self, step: int, grid: Path, size: tuple[int, int]) -> None:
        """Add a sample grid, a PNG of (width, height) pixels, to TensorBoard."""
        self.board.add_picture(step, grid, size)

    def close(self) -> None:
        self.file.close()
        self.board.close()

    def _open(self) -> TextIO:
        file = self.folder.metrics.open("a", buffering=1, encoding="utf-8")
        file.seek(0, os.SEEK_END)
        return file


class NoMetrics:
    """For the processes that leave writing to the first."""

    def write(self, step: int, values: dict[str, float]) -> None:
        """Nothing."""

    def show(self, step: int, grid: Path, size: tuple[int, int]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class TwoLines(Progress):
    """A progress bar, and a line of text below it, so that both have room in a narrow terminal."""

    below = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        yield Text(self.below, overflow="ellipsis", no_wrap=True)


class ProgressLine:
    """What moves: step, bar, images per second and time left; below them the losses. Without a terminal, a line now
    and then."""

    def __init__(self, first_step: int, num_steps: int, images_per_step: int, console: Console) -> None:
        self.console = console
        self.images_per_step = images_per_step
        self.started = time.monotonic()
        self.first_step, self.num_steps = first_step, num_steps
        self.said = self.started
        self.progress = TwoLines(
            TextColumn("{task.completed}/{task.total}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.progress.add_task("training", total=num_steps, completed=first_step, speed="")

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def images_per_second(self, step: int) -> float:
        """Mean speed since the line appeared."""
        return (step - self.first_step) * self.images_per_step / max(time.monotonic() - self.started, 1e-9)

    def advance(self, step: int) -> None:
        self.progress.update(self.task, completed=step)

    def losses(self, step: int, values: dict[str, float]) -> None:
        """Show the latest losses."""
        losses = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
        speed = f"{self.images_per_second(step):.1f} images/s"
        self.progress.below = losses
        self.progress.update(self.task, speed=speed)
        if not self.console.is_terminal and time.monotonic() - self.said > PLAIN_INTERVAL_SECONDS:
            self.said = time.monotonic()
            say(self.console, f"step {step}/{self.num_steps}  {losses}  {speed}")


def summarised(terms: dict[str, float]) -> dict[str, float]:
    """Return the few numbers of the progress line: the sum of each phase's terms."""
    sums: dict[str, float] = {}
    for name, value in terms.items():
        if term := parse_term(name):
            sums[term.phase] = sums.get(term.phase, 0.0) + value
    return sums


def describe_origin(machine: str, num_processes: int = 1) -> dict[str, Any]:
    """Return what a run runs on: versions, commit, machine, and how many processes."""
    packages = ("nicegan", "torch", "numpy", "pillow")
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "commit": source_commit(),
        "machine": machine,
        "processes": num_processes,
    }


def source_commit() -> str | None:
    """The commit of the checkout this code runs from, with "-dirty" for changes; None for an installed package."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        git = subprocess.run(describe, cwd=root, capture_output=True, text=True, check=False)
    except OSError:  # no git on this machine
        return None
    return git.stdout.strip() or None
