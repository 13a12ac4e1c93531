"""The run folder: where a run keeps what, whether a folder may be used for a run, and how far the run has come."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from nicegan.config import first_mistake, whole_path
from nicegan.errors import ConfigError, TrainingError
from nicegan.files import write_atomically
from nicegan.run_config import MOVABLE, RESUMABLE, RunConfig, differences

Metrics = list[dict[str, float]]
FORMAT_VERSION = 2  # of config.json; 1 kept the settings of the one method at the top
UNKNOWN = "unknown"
_METRICS_LINE = TypeAdapter(dict[str, int | float])


class RunFolder:
    """Paths inside a run folder, and its small files.

    Args:
        root: the folder.
        may_move: whether a run that goes on here may have its images and feature network elsewhere than before.
    """

    def __init__(self, root: Path, *, may_move: bool = False) -> None:
        self.root, self.may_move = root, may_move
        self.identity: tuple[int, int] | None = None  # of the folder that was claimed, whatever has its name later
        self.config = root / "config.json"
        self.metrics = root / "metrics.jsonl"
        self.samples = root / "samples"
        self.checkpoints = root / "checkpoints"
        self.latest = root / "latest"
        self.best = root / "best"
        self.model = root / "model.safetensors"
        self.problem = root / "problem.json"
        self.lock = FileLock(root / ".lock", timeout=0, is_singleton=True)  # one for all of this process

    def read_description(self) -> dict[str, Any]:
        """Return the content of config.json: the configuration, and what it first ran on.

        Raises:
            ConfigError: there is no run here, or its config.json cannot be read.
        """
        if not self.config.is_file():
            raise ConfigError(f"{self.root} is not a run folder: it has no config.json")
        try:
            description = json.loads(self.config.read_text(encoding="utf-8"))
            if (version := description.get("format_version", 1)) > FORMAT_VERSION:
                raise ConfigError(f"{self.config} was written by a newer nicegan (format {version}): update nicegan")
            description["config"].setdefault("value_range", "full")  # formats 1 and 2 knew no other
            RunConfig.model_validate(description["config"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as problem:
            reason = first_mistake(problem)
            raise ConfigError(f"{self.config} cannot be read: {reason}; put a copy of it back") from None
        return description

    def read_config(self) -> RunConfig:
        """Return the configuration of the run in this folder; raises as `read_description`."""
        return RunConfig.model_validate(self.read_description()["config"])

    def settled(self, config: RunConfig) -> RunConfig:
        """Return the configuration with what an earlier session of the run has found out about its images."""
        if config.value_range != "auto" or not self.config.is_file():
            return config
        return config.model_copy(update={"value_range": self.read_config().value_range})

    def refuse_misuse(self, config: RunConfig) -> None:
        """Refuse a folder that a run of this configuration may not use, new or continued; lock a continued one.

        Raises:
            ConfigError: the folder holds another run, a run that another process trains, or other files.
        """
        if self.config.is_file():
            self._refuse_another_run(config)
            self.hold()
        elif self.root.exists() and (not self.root.is_dir() or any(map(is_strange, self.root.iterdir()))):
            raise ConfigError(f"{self.root} exists and is not a run folder; choose another --out")

    def _refuse_another_run(self, config: RunConfig) -> None:
        before = self.read_config()
        free = RESUMABLE | (MOVABLE if self.may_move else frozenset())
        if before.batch_size * before.accumulate == config.batch_size * config.accumulate:
            free |= {"batch_size"}
        fixed = {name: values for name, values in differences(before, config).items() if name not in free}
        if not fixed:
            return
        rows = "\n".join(f"  {name}: {old} there, {new} asked for" for name, (old, new) in fixed.items())
        moved = f"; where its files have moved, say so with --resume {shlex.quote(str(self.root))}"
        way_out = f"choose another --out{moved if fixed.keys() <= MOVABLE else ''}"
        raise ConfigError(f"{self.root} holds a run with another configuration; {way_out}\n{rows}")

    def claim(self, config: RunConfig, origin: dict[str, Any]) -> None:
        """Make this the folder of the run, and keep other processes out.

        A continued run keeps its first origin and notes each further one.

        Raises:
            ConfigError: as `refuse_misuse`, or the folder cannot be written.
        """
        self.refuse_misuse(config)
        try:
            whole_path(self.root)
        except ValueError as problem:
            raise ConfigError(str(problem)) from None
        description = {"format_version": FORMAT_VERSION, "config": config.model_dump(mode="json"), **origin}
        if self.config.is_file():
            before = self.read_description()
            resumed = [*before.get("resumed", []), origin]
            new = {"format_version": FORMAT_VERSION, "config": description["config"], "resumed": resumed}
            description = {**before, **new}
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.hold()
            write_atomically(self.config, (json.dumps(description, indent=1) + "\n").encode())
            self.identity = folder_identity(self.root)
        except OSError as problem:
            raise ConfigError(f"cannot write the run folder {self.root}: {problem.strerror}") from None

    def hold(self) -> None:
        """Keep other processes from training here until `release`, or until this one ends.

        Raises:
            ConfigError: another process trains here.
        """
        try:
            if not self.lock.is_locked:
                self.lock.acquire()
        except Timeout:
            raise ConfigError(f"another process trains in {self.root}: stop it, or wait until it has ended") from None
        except NotImplementedError:  # a file system that knows no locks
            pass

    def release(self) -> None:
        """Let others in."""
        self.lock.release(force=True)

    def require(self) -> None:
        """Raise TrainingError if the run's folder has gone: nobody could go on with what is written into a new one."""
        if not self.config.is_file() or (self.identity and folder_identity(self.root) != self.identity):
            raise TrainingError(f"the run folder {self.root} has vanished; put it back and go on with --resume")

    def remove_partial(self) -> None:
        """Remove what kills left of files that were being written; for whoever holds the folder."""
        for path in (self.config, self.metrics, self.latest, self.best, self.model, self.problem):
            for leftover in self.root.glob(f".{path.name}.*"):
                leftover.unlink(missing_ok=True)

    def read_rollbacks(self) -> int:
        """Return how often the run has gone back because of wrong numbers, by its last problem.json."""
        try:
            count = json.loads(self.problem.read_text(encoding="utf-8"))["rollbacks"]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return 0
        return count if isinstance(count, int) else 0

    def read_metrics(self) -> Metrics:
        """Return all lines of all metrics files; what a crash cut short is left out."""
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
        numbers = [int(path.suffixes[0][1:]) for path in self._metrics_files() if path != self.metrics]
        self.metrics.rename(self.root / f"metrics.{max(numbers, default=0) + 1}.jsonl")

    def _metrics_files(self) -> list[Path]:
        """In order of their steps: metrics.1.jsonl, metrics.2.jsonl ..., metrics.jsonl."""
        aside = sorted(self.root.glob("metrics.[0-9]*.jsonl"), key=lambda path: (len(path.name), path.name))
        return [*aside, *([self.metrics] if self.metrics.is_file() else [])]


def folder_identity(folder: Path) -> tuple[int, int]:
    """Return what tells a folder from another one that takes its name: its disk and its number there."""
    facts = folder.stat()
    return facts.st_dev, facts.st_ino


def is_strange(path: Path) -> bool:
    """Return whether a file is none that a kill may have left of a run about to begin."""
    return path.name != ".lock" and not path.name.startswith(".config.json.")


def read_lines(path: Path) -> Metrics:
    """Return the lines of a metrics file; one that a crash has cut short, or that is none, is left out."""
    lines: Metrics = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            values = _METRICS_LINE.validate_json(line)
        except ValidationError:
            continue
        if isinstance(values.get("step"), int):
            lines.append(values)
    return lines
