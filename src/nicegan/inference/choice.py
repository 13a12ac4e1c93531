"""Which weights a name means: a model file, a run, or one of its checkpoints (RUN@8000, RUN@best, RUN@latest)."""

from __future__ import annotations

import os
from pathlib import Path

from nicegan.checkpoint import WEIGHTS, load_ema, pointed_at, whole_checkpoints
from nicegan.errors import CheckpointError
from nicegan.model_file import Model, ModelSpec, find_model, load_model
from nicegan.run_folder import RunFolder

POINTERS = ("best", "latest")


def find_weights(name: str | os.PathLike[str]) -> Path:
    """Return the model file or the checkpoint folder that a name means.

    Args:
        name: a model.safetensors; a run folder, whose model is that of its best checkpoint; one of its checkpoints by
            path, or as RUN@STEP, RUN@best or RUN@latest.

    Raises:
        CheckpointError: there is none; names the checkpoints there are.
    """
    path = Path(name)
    run, at, which = os.fspath(name).rpartition("@")
    if at and not path.exists():
        return _checkpoint(Path(run), which)
    if path.name in POINTERS and path.is_file() and RunFolder(path.parent).config.is_file():
        return _checkpoint(path.parent, path.name)
    return path if (path / WEIGHTS).is_file() else find_model(path)


def read_model(name: str | os.PathLike[str]) -> Model:
    """Return the model that a name means, as `find_weights` finds it; of a checkpoint its averaged (EMA) networks.

    Raises:
        CheckpointError: there is none, or it cannot be read.
    """
    path = find_weights(name)
    if not path.is_dir():
        return load_model(path)
    folder = RunFolder(path.parent.parent)
    if not folder.config.is_file():
        raise CheckpointError(f"{path} is a checkpoint outside its run: its networks are described in the run folder")
    config = folder.read_config()
    spec = ModelSpec(
        method=config.method, image_size=config.size, step=int(path.name), origin=f"checkpoint of step {int(path.name)}"
    )
    networks = config.method.build_translation_model(config.size)
    load_ema(path, networks)
    return Model(spec, networks)


def _checkpoint(run: Path, which: str) -> Path:
    folder = RunFolder(run)
    if not folder.config.is_file():
        raise CheckpointError(f"{run} is not a run folder, so there is no {run}@{which}")
    there = whole_checkpoints(folder.checkpoints)
    if which in POINTERS:
        found = pointed_at(folder.best if which == "best" else folder.latest)
    else:
        found = next((path for path in there if which.isdigit() and int(path.name) == int(which)), None)
    if found is None:
        steps = ", ".join(str(int(path.name)) for path in there) or "none"
        raise CheckpointError(f"{run} has no checkpoint {which!r}; there is: {steps} (also best and latest)")
    return found
