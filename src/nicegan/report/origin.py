"""What a run folder says of where a run comes from and which checkpoint is best; what it leaves out is not known."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

from nicegan.checkpoint import pointed_at, read_pointer
from nicegan.config import first_mistake
from nicegan.errors import ConfigError
from nicegan.run_folder import UNKNOWN, RunFolder


class Origin(BaseModel):
    """What a run, or a part of it, ran on."""

    machine: str = UNKNOWN
    versions: dict[str, str] = {}
    commit: str | None = None
    processes: int = 1

    def named_versions(self) -> str:
        """On one line."""
        return ", ".join(f"{name} {version}" for name, version in self.versions.items()) or UNKNOWN

    def named_commit(self) -> str:
        return self.commit or UNKNOWN


class _Description(Origin):
    resumed: list[Origin] = []


def read_origins(folder: RunFolder) -> list[Origin]:
    """Return what a run began on, and what each resumed part of it ran on.

    Raises:
        ConfigError: there is no run, or its config.json cannot be read.
    """
    try:
        first = _Description.model_validate(folder.read_description())
    except ValidationError as problem:
        raise ConfigError(f"{folder.config} cannot be read: {first_mistake(problem)}; put a copy of it back") from None
    return [first, *first.resumed]


def why_best(pointer: Path) -> str:
    """Why `best` names its checkpoint."""
    return read_pointer(pointer).why


def best_in_words(pointer: Path) -> str | None:
    """Return the checkpoint that `best` names, and why; None if it names none that is there."""
    checkpoint, said = pointed_at(pointer), read_pointer(pointer)
    if checkpoint is None:
        return None
    step = checkpoint.name if said.step is None else f"{said.step:,}"
    return f"step {step}: {said.why}" + ("" if said.score is None else f" ({said.score:.4g})")
