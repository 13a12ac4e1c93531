"""A checkpoint of published code becomes a model file: the methods read it, one after the other is asked."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import ValidationError

from nicegan.config import Size, first_mistake
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


class Imported(NamedTuple):
    """What the model says of itself, and whether its image size is assumed: its tensors would fit others as well."""

    spec: ModelSpec
    is_assumed: bool


def import_published(checkpoint: Path, out: Path, image_size: int | None = None) -> Imported:
    """Turn a published checkpoint into a model file.

    Args:
        checkpoint: a file, or a folder where the published code writes several.
        out: the model file to write.
        image_size: pixels a side that it was trained at; None for what its method was published with.

    Raises:
        CheckpointError: as `read_published`, or its tensors are of another image size, or `out` cannot be written, or
            is a file that is no model.
    """
    if not out.parent.is_dir():
        raise CheckpointError(f"cannot write {out}: there is no folder {out.parent}")
    if out.is_file():
        read_spec(out)  # nothing but a model is written over
    found = read_published(checkpoint)
    is_assumed = _fits(found, (2 * found.size[0], 2 * found.size[1]))
    if image_size is not None and (size := (image_size, image_size)) != found.size:
        if problem := found.config.training_sizes().problem(size):
            raise CheckpointError(f"{checkpoint}: image size {problem}")
        if not _fits(found, size):
            there = f"{found.size[1]}x{found.size[0]}"
            raise CheckpointError(f"{checkpoint} is of {there} pixels, not {image_size}: leave out --image-size")
        found = found._replace(size=size)
    with torch.device("meta"):
        method = found.config.build(found.size)
    method.load_state_dict(found.state, strict=False, assign=True)  # a file may leave out what translating needs not
    origin = f"published checkpoint {checkpoint.name}"
    try:
        spec = ModelSpec.model_validate({"method": found.config, "image_size": found.size, "origin": origin})
    except ValidationError as problem:
        raise CheckpointError(f"{checkpoint} makes no model: {first_mistake(problem)}") from None
    save_model(out, spec, method.translation_model())
    return Imported(spec, is_assumed)


def _fits(found: Published, size: Size) -> bool:
    """Return whether the checkpoint's tensors are those of networks for images of this size."""
    if found.config.training_sizes().problem(size):
        return False
    with torch.device("meta"):
        own = found.config.build(size).state_dict()
    return all(own[name].shape == tensor.shape for name, tensor in found.state.items())
