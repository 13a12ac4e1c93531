"""What a run tells: a progress line for people, metrics.jsonl and TensorBoard for later."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

PLAIN_INTERVAL_SECONDS = 30.0  # between lines where there is no terminal


class Metrics:
    """metrics.jsonl, one line per logged step, and the same in TensorBoard's format.

    A resumed run starts where its checkpoint stands: lines of later steps, from before it broke off, are removed.
    """

    def __init__(self, run: Path, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path = run / "metrics.jsonl"
        _drop_after(self.path, first_step)
        self.file = self.path.open("a", buffering=1)
        self.board = SummaryWriter(str(run / "tensorboard"), purge_step=first_step + 1)

    def write(self, step: int, values: dict[str, float]) -> None:
        """One line: the step and its named values."""
        self.file.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self.board.add_scalar(name, value, step)

    def close(self) -> None:
        self.file.close()
        self.board.close()


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The lines of a metrics.jsonl; a last line cut short by a crash is left out."""
    lines = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


def _drop_after(path: Path, step: int) -> None:
    kept = [line for line in read_metrics(path) if line["step"] <= step]
    if path.is_file():
        path.write_text("".join(json.dumps(line) + "\n" for line in kept))


class ProgressLine:
    """One line that moves: step, losses, images per second, time left. Without a terminal, a line now and then."""

    def __init__(self, first_step: int, num_steps: int, images_per_step: int, console: Console) -> None:
        self.console = console
        self.images_per_step = images_per_step
        self.started = time.monotonic()
        self.first_step, self.num_steps = first_step, num_steps
        self.said = self.started
        self.progress = Progress(
            TextColumn("{task.completed}/{task.total}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[losses]}"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.progress.add_task("training", total=num_steps, completed=first_step, losses="", speed="")

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
        self.progress.update(self.task, losses=losses, speed=speed)
        if not self.console.is_terminal and time.monotonic() - self.said > PLAIN_INTERVAL_SECONDS:
            self.said = time.monotonic()
            self.console.print(f"step {step}/{self.num_steps}  {losses}  {speed}", highlight=False)


def summarised(terms: dict[str, float]) -> dict[str, float]:
    """The few numbers of the progress line: the discriminators' total, and each kind of the generators' terms."""
    kinds: dict[str, Callable[[str], bool]] = {
        "D": lambda name: name.startswith("discriminator/"),
        "adversarial": lambda name: name.startswith("generator/") and name.endswith(("cam", "local", "global")),
        "cycle": lambda name: name.endswith("cycle"),
        "reconstruction": lambda name: name.endswith("reconstruction"),
    }
    return {kind: sum(value for name, value in terms.items() if belongs(name)) for kind, belongs in kinds.items()}


def describe_run(config: dict[str, Any], machine: str) -> dict[str, Any]:
    """The content of config.json: everything needed to repeat the run."""
    import platform
    import subprocess
    from importlib.metadata import version

    source = Path(__file__).parent
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=source, capture_output=True, text=True, check=False)
    packages = ("nicegan", "torch", "numpy", "pillow")
    return {
        "format_version": 1,
        "config": config,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "commit": git.stdout.strip() or None,
        "machine": machine,
    }
