"""Checkpoints: the only module that knows their format, and what points at them.

A checkpoint is a folder: `weights.safetensors` (every network of the method, and the averaged ones as "average...."),
`state.pt` (all that is not weights) and `sha256.json`, the checksums of both. It is written beside its path, flushed,
and renamed, so that a reader never finds half of one. `latest` and `best` in the run folder name one each.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from nicegan.config import first_mistake
from nicegan.download import sha256_of
from nicegan.errors import CheckpointError
from nicegan.files import sync_folder, write_atomically, write_flushed
from nicegan.methods.base import TranslationModel, unique_state
from nicegan.run_folder import UNKNOWN, RunFolder

UNREADABLE = (  # what reading a damaged checkpoint raises
    OSError,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    pickle.UnpicklingError,
    SafetensorError,
)
FORMAT_VERSION = 4  # 1 knew no rollbacks; 2 no patience, streaks and position in the data; 3 no names of phases
WEIGHTS, STATE, SUMS = "weights.safetensors", "state.pt", "sha256.json"
EMA_PREFIX = "average."  # of the averaged networks' tensors


class Checkpoint(NamedTuple):
    """The content of a checkpoint: tensors by name, and everything else as plain data."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


def checkpoint_name(step: int) -> str:
    """Return the name of a step's checkpoint folder."""
    return f"{step:09d}"


def save_checkpoint(folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Path:
    """Write a checkpoint below `folder`, whole or not at all; return its path."""
    folder.mkdir(exist_ok=True)
    path = folder / checkpoint_name(step)
    partial = folder / f".{path.name}.{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        write_flushed(partial / WEIGHTS, save(weights, metadata={"format_version": str(FORMAT_VERSION)}))
        _write_state(partial / STATE, {"format_version": FORMAT_VERSION, **state})
        sums = {name: sha256_of(partial / name) for name in (WEIGHTS, STATE)}
        write_flushed(partial / SUMS, (json.dumps(sums, indent=1) + "\n").encode())
        delete(path)  # the same step again, after a resume from before it
        partial.rename(path)
        sync_folder(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return path


def _write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write with torch.save, which hides a full disk behind an error of its own."""
    with path.open("wb") as file:
        try:
            torch.save(dict(state), file)
        except RuntimeError as problem:
            raise problem.__context__ if isinstance(problem.__context__, OSError) else problem from None
        file.flush()
        os.fsync(file.fileno())


def read_checkpoint(path: Path) -> Checkpoint:
    """Return the content of the checkpoint at `path`, checked against its checksums.

    Raises:
        CheckpointError: one of a newer format. Others of UNREADABLE: a damaged one; see `unreadable`.
    """
    _refuse_changed(path)
    state = torch.load(path / STATE, map_location="cpu", weights_only=True)
    if state["format_version"] > FORMAT_VERSION:
        raise CheckpointError(f"{path} was written by a newer nicegan (format {state['format_version']})")
    return Checkpoint(load_file(path / WEIGHTS), state)


def unreadable(path: Path, problem: Exception) -> CheckpointError:
    """Return the message about a checkpoint that reading raised `problem` for."""
    way_out = "remove its folder to go on from the one before"
    return CheckpointError(f"checkpoint {path} cannot be read: {first_mistake(problem)}; {way_out}")


def _refuse_changed(path: Path) -> None:
    """Raise ValueError if a file is not what was written; those of older formats have no sums."""
    if not (path / SUMS).is_file():
        return
    for name, written in json.loads((path / SUMS).read_text(encoding="utf-8")).items():
        if sha256_of(path / name) != written:
            raise ValueError(f"{name} has changed since it was written: the disk, or whoever copied it, is at fault")


def load_weights(path: Path, module: nn.Module) -> None:
    """Load the networks of the checkpoint at `path` into a method, as they were trained (not averaged).

    Raises:
        CheckpointError: the checkpoint cannot be read, or holds other networks.
    """
    _load(path, module, lambda name: None if name.startswith(EMA_PREFIX) else name)


def load_ema(path: Path, networks: TranslationModel) -> None:
    """Load the averaged networks of the checkpoint at `path`; raises as `load_weights`."""
    _load(path, networks, lambda name: name.removeprefix(EMA_PREFIX) if name.startswith(EMA_PREFIX) else None)


def _load(path: Path, module: nn.Module, named: Any) -> None:
    expected = unique_state(module)
    try:
        with safe_open(path / WEIGHTS, framework="pt") as file:
            found = {own: file.get_tensor(name) for name in file.keys() if (own := named(name)) is not None}  # noqa: SIM118
        if found.keys() != expected.keys():
            odd = ", ".join(sorted(found.keys() ^ expected.keys())[:3])
            raise ValueError(f"it holds other networks than config.json says ({odd} ...)")
        with torch.no_grad():
            for name, tensor in expected.items():
                tensor.copy_(found[name])
    except (OSError, RuntimeError, ValueError, SafetensorError) as problem:
        reason = str(problem).partition("\n")[0]
        raise CheckpointError(f"checkpoint {path} cannot be read: {reason}; remove it") from None


class Pointer(BaseModel):
    """What `latest` or `best` says: the checkpoint, its step, why it is this one, and its score."""

    checkpoint: str = ""
    step: int | None = None
    why: str = UNKNOWN
    score: float | None = None


def read_pointer(path: Path) -> Pointer:
    """Return what a pointer says; nothing if it is not there or cannot be read."""
    try:
        return Pointer.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return Pointer()


def pointed_at(pointer: Path) -> Path | None:
    """Return the checkpoint that `latest` or `best` names; None if it names none that is there."""
    name = read_pointer(pointer).checkpoint
    path = pointer.parent / name
    return path if name and path.is_dir() else None


def point_to(pointer: Path, checkpoint: Path, why: str, **facts: Any) -> None:
    """Write `latest` or `best`: which checkpoint it is, and why."""
    name = f"{checkpoint.parent.name}/{checkpoint.name}"
    content = {"checkpoint": name, "step": int(checkpoint.name), "why": why, **facts}
    write_atomically(pointer, (json.dumps(content, indent=1) + "\n").encode())


def whole_checkpoints(folder: Path) -> list[Path]:
    """Return all checkpoints below `folder`, oldest first; unfinished ones have other names."""
    return sorted(path for path in folder.glob("*") if path.is_dir() and path.name.isdigit())


def resume_point(folder: RunFolder) -> Path | None:
    """Return where a run goes on: at `latest`, or at the newest checkpoint if that pointer is lost; None if new."""
    return pointed_at(folder.latest) or next(reversed(whole_checkpoints(folder.checkpoints)), None)


def best_or_latest(root: Path) -> Path | None:
    """Return the checkpoint that a run folder's model was made of, or its newest; None if `root` is no run folder."""
    folder = RunFolder(root)
    if not folder.config.is_file():
        return None
    return pointed_at(folder.best) or pointed_at(folder.latest)


def prune(folder: Path, keep: int, spared: set[Path | None]) -> None:
    """Remove all but the newest `keep` checkpoints and the spared ones."""
    for path in whole_checkpoints(folder)[:-keep]:
        if path not in spared:
            delete(path)


def delete(path: Path) -> None:
    """Remove a checkpoint so that no kill leaves half of it under its name."""
    if path.exists():
        aside = path.with_name(f".{path.name}.discarded")
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
        shutil.rmtree(aside)


def remove_partial(folder: Path) -> None:
    """Remove what kills left of checkpoints that were being written or deleted."""
    for leftover in folder.glob(".*"):
        shutil.rmtree(leftover, ignore_errors=True)
