"""The run folder: where a run keeps what, whether a folder may be used for a run, and how far the run has come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nicegan.atomic import write_atomically
from nicegan.config import CHANGEABLE, RunConfig, differences
from nicegan.errors import ConfigError

Metrics = list[dict[str, float]]


class RunFolder:
    """Paths inside a run folder, and its small files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "config.json"
        self.metrics = root / "metrics.jsonl"
        self.samples = root / "samples"
        self.checkpoints = root / "checkpoints"
        self.latest = root / "latest"
        self.best = root / "best"
        self.model = root / "model.safetensors"
        self.problem = root / "problem.json"

    def read_description(self) -> dict[str, Any]:
        """The content of config.json: the configuration, and what it first ran on.

        Raises:
            ConfigError: there is no run here, or its config.json cannot be read.
        """
        if not self.config.is_file():
            raise ConfigError(f"{self.root} is not a run folder: it has no config.json")
        try:
            description = json.loads(self.config.read_text(encoding="utf-8"))
            RunConfig.model_validate(description["config"])
        except (ValueError, KeyError, TypeError, OSError) as problem:
            detail = problem.errors()[0]["msg"] if isinstance(problem, ValidationError) else problem
            raise ConfigError(f"{self.config} cannot be read: {detail}; put a copy of it back") from None
        return description

    def read_config(self) -> RunConfig:
        """The configuration of the run in this folder; raises as `read_description`."""
        return RunConfig.model_validate(self.read_description()["config"])

    def check(self, config: RunConfig) -> None:
        """Whether a run of this configuration may use the folder, new or continued.

        Raises:
            ConfigError: the folder holds another run, or other files.
        """
        if self.config.is_file():
            changed = differences(self.read_config(), config)
            fixed = {name: values for name, values in changed.items() if name not in CHANGEABLE}
            if fixed:
                rows = "\n".join(f"  {name}: {old} there, {new} asked for" for name, (old, new) in fixed.items())
                raise ConfigError(f"{self.root} holds a run with another configuration; choose another --out\n{rows}")
        elif self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir())):
            raise ConfigError(f"{self.root} exists and is not a run folder; choose another --out")

    def claim(self, config: RunConfig, origin: dict[str, Any]) -> None:
        """Make this the folder of the run; a continued run keeps its first origin and notes each further one.

        Raises:
            ConfigError: as `check`, or the folder cannot be written.
        """
        self.check(config)
        description = {"format_version": 1, "config": config.model_dump(mode="json"), **origin}
        if self.config.is_file():
            before = self.read_description()
            description = {**before, "config": description["config"], "resumed": [*before.get("resumed", []), origin]}
        try:
            for folder in (self.root, self.samples, self.checkpoints):
                folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.config, (json.dumps(description, indent=1) + "\n").encode())
        except OSError as problem:
            raise ConfigError(f"cannot write the run folder {self.root}: {problem.strerror}") from None

    def read_metrics(self) -> Metrics:
        """All lines of all metrics files; what a crash cut short is left out."""
        return [values for path in self._metrics_files() for values in read_lines(path)]

    def trim_metrics(self, last_step: int) -> None:
        """Remove lines of later steps, and what a crash cut short."""
        for path in self._metrics_files():
            content = path.read_bytes()
            kept = [line for line in read_lines(path) if line["step"] <= last_step]
            if not kept and path != self.metrics:
                path.unlink()
            elif len(kept) < len(content.splitlines()) or not content.endswith(b"\n"):
                write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept).encode())

    def set_metrics_aside(self) -> None:
        """Make room for a new metrics.jsonl."""
        self.metrics.rename(self.root / f"metrics.{len(self._metrics_files())}.jsonl")

    def _metrics_files(self) -> list[Path]:
        """In order of their steps: metrics.1.jsonl, metrics.2.jsonl ..., metrics.jsonl."""
        aside = sorted(self.root.glob("metrics.*.jsonl"), key=lambda path: (len(path.name), path.name))
        return [*aside, *([self.metrics] if self.metrics.is_file() else [])]


def read_lines(path: Path) -> Metrics:
    """The lines of a metrics file, up to one that is none."""
    lines: Metrics = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            break
        if not isinstance(values, dict) or not isinstance(values.get("step"), int):
            break
        lines.append(values)
    return lines


def pointed_at(pointer: Path) -> Path | None:
    """The checkpoint that `latest` or `best` names; None if it names none that is there."""
    try:
        place = pointer.parent / json.loads(pointer.read_text(encoding="utf-8"))["checkpoint"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return place if place.is_dir() else None
