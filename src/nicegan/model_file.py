"""The self-describing model: one safetensors file with a translator's weights and, in its header, its description.

Nothing else is needed to load it: no flags, no code, no pickle.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from pydantic import NonNegativeInt, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from nicegan.config import Frozen, Side, ValueRange, first_mistake
from nicegan.errors import CheckpointError
from nicegan.files import write_atomically
from nicegan.methods.base import TranslationModel, unique_state
from nicegan.methods.registry import METHODS, AnyMethod

FORMAT = "nicegan-model"
FORMAT_VERSION = 2  # 1 knew one method, and kept its network beside its name
MODEL_FILE = "model.safetensors"


class ModelSpec(Frozen):
    """What a model says of itself."""

    method: AnyMethod
    """The method and its settings; of these the networks' make the model."""
    image_size: tuple[Side, Side]
    """Height and width it was trained at, in pixels."""
    value_range: ValueRange = "full"
    """Values of 16-bit images that are black and white: "full" (0,65535) or LOW,HIGH."""
    step: NonNegativeInt = 0
    """Training steps it has seen."""
    origin: str = ""
    """Where the weights come from, in words."""

    @model_validator(mode="before")
    @classmethod
    def _read_old_form(cls, content: Any) -> Any:
        """Read format 1: {"method": NAME, "network": {...}}."""
        if not isinstance(content, dict) or not isinstance(content.get("method"), str):
            return content
        rest = {name: value for name, value in content.items() if name != "network"}
        return {**rest, "method": {"name": content["method"], "network": content.get("network", {})}}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if problem := self.method.translation_sizes(self.image_size).problem(self.image_size):
            raise ValueError(f"image_size {problem}")
        return self


class Model(NamedTuple):
    """A description, and the networks it describes."""

    spec: ModelSpec
    networks: TranslationModel


def save_model(path: Path, spec: ModelSpec, networks: TranslationModel) -> None:
    """Write a model file beside its destination and rename it, so that a reader never sees half of one."""
    header = {"format": FORMAT, "format_version": str(FORMAT_VERSION), "card": spec.model_dump_json()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in unique_state(networks).items()}
    write_atomically(path, save(tensors, metadata=header))


def find_model(path: Path) -> Path:
    """Return the model file at `path`: itself, or the one in a run folder.

    Raises:
        CheckpointError: there is none.
    """
    if path.is_dir():
        if not (path / MODEL_FILE).is_file():
            raise CheckpointError(f"{path} holds no {MODEL_FILE}: it is not a run, or has no checkpoint yet")
        return path / MODEL_FILE
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist: name a run folder or a {MODEL_FILE}")
    return path


def read_spec(path: Path) -> ModelSpec:
    """Return the description in a model's header.

    Raises:
        CheckpointError: not a model file, one written by a newer version, or of a method that is unknown here.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError) as problem:
        raise CheckpointError(f"{path} is not a readable model file: {problem}") from None
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path} is a safetensors file, but not a nicegan model: its header has no model card")
    version = header.get("format_version", "")
    if version not in map(str, range(1, FORMAT_VERSION + 1)):
        raise CheckpointError(
            f"{path} has model format {version!r}; this version reads up to {FORMAT_VERSION}: install a newer nicegan"
        )
    try:
        return ModelSpec.model_validate_json(header.get("card", ""))
    except ValidationError as problem:
        _refuse_unknown_method(path, header.get("card", ""))
        raise CheckpointError(
            f"{path} has a model card that cannot be used ({first_mistake(problem)}): put a copy back, or make it anew"
        ) from None


def load_model(path: Path) -> Model:
    """Read a model file and build the networks it describes, once its tensors are known to fit them.

    Raises:
        CheckpointError: not a model file, a newer format, or tensors that do not fit the description
            or hold no finite numbers.
    """
    spec = read_spec(path)
    with torch.device("meta"):  # so that a damaged description costs neither time nor memory
        networks = spec.method.build_translation_model(spec.image_size)
    expected = unique_state(networks)
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
        if names != set(expected):
            odd = sorted(names ^ set(expected))
            raise CheckpointError(f"{path} does not hold the tensors its header describes: {', '.join(odd[:3])} ...")
        for name, tensor in expected.items():
            if list(file.get_slice(name).get_shape()) != list(tensor.shape):
                raise CheckpointError(f"{path}: tensor {name} does not have the shape its header describes")
        tensors = {name: file.get_tensor(name) for name in names}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not tensor.isfinite().all():
            raise CheckpointError(f"{path}: tensor {name} holds something else than finite numbers: it is damaged")
    networks.to_empty(device="cpu").load_state_dict(tensors, strict=False)
    return Model(spec, networks)


def _refuse_unknown_method(path: Path, card: str) -> None:
    """Raise CheckpointError if the card names a method that this version does not know."""
    try:
        method = json.loads(card)["method"]
        name = method if isinstance(method, str) else method["name"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return
    if isinstance(name, str) and name not in METHODS:
        known = ", ".join(METHODS)
        raise CheckpointError(f"{path} is a model of the method {name!r}, which is not among {known}: update nicegan")
