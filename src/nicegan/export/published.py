"""A checkpoint of published code becomes a model file: the methods read it, one after the other is asked."""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import ValidationError

from nicegan.config import first_mistake
from nicegan.errors import CheckpointError
from nicegan.methods.published import Published
from nicegan.methods.registry import METHODS
from nicegan.model_file import ModelSpec, read_spec, save_model


def read_published(path: Path) -> Published:
    """Return the checkpoint as the method reads it whose layout it has.

    Raises:
        CheckpointError: no method's, or one that is damaged.
    """
    if not path.exists():
        raise CheckpointError(f"{path} is not a file: name a checkpoint of a published implementation")
    for method in METHODS.values():
        if found := method.read_published(path):
            return found
    titles = ", ".join(method.title for method in METHODS.values())
    raise CheckpointError(f"{path} is not a checkpoint of a published implementation of {titles} (or was renamed)")


def import_published(checkpoint: Path, out: Path) -> ModelSpec:
    """Turn a published checkpoint into a model file; returns what the model says of itself.

    Raises:
        CheckpointError: as `read_published`, or `out` cannot be written, or is a file that is no model.
    """
    if not out.parent.is_dir():
        raise CheckpointError(f"cannot write {out}: there is no folder {out.parent}")
    if out.is_file():
        read_spec(out)  # nothing but a model is written over
    found = read_published(checkpoint)
    with torch.device("meta"):
        method = found.config.build(found.size)
    method.load_state_dict(found.state, strict=False, assign=True)  # a file may leave out what translating needs not
    origin = f"published checkpoint {checkpoint.name}"
    try:
        spec = ModelSpec.model_validate({"method": found.config, "image_size": found.size, "origin": origin})
    except ValidationError as problem:
        raise CheckpointError(f"{checkpoint} makes no model: {first_mistake(problem)}") from None
    save_model(out, spec, method.translation_model())
    return spec
