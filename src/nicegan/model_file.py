"""The self-describing model: one safetensors file with a translator's weights and, in its header, its description.

Nothing else is needed to load it: no flags, no code, no pickle.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, Self

import torch
from pydantic import NonNegativeInt, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from nicegan.atomic import write_atomically
from nicegan.config import Frozen, NetworkConfig, Side, first_mistake
from nicegan.errors import CheckpointError
from nicegan.methods.build import build_translation_paths
from nicegan.models.domain import TranslationPaths

FORMAT = "nicegan-model"
FORMAT_VERSION = 1
MODEL_FILE = "model.safetensors"


class ModelCard(Frozen):
    """What a model says of itself."""

    method: Literal["nicegan"] = "nicegan"
    network: NetworkConfig
    image_size: tuple[Side, Side]
    """Height and width it was trained at, in pixels."""
    step: NonNegativeInt = 0
    """Training steps it has seen."""
    origin: str = ""
    """Where the weights come from, in words."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self.network.check_sides(self.image_size)
        return self


class Model(NamedTuple):
    """A card, and the networks it describes: `paths["A"]` and `paths["B"]`, each an encoder and a generator."""

    card: ModelCard
    paths: TranslationPaths


def save_model(path: Path, card: ModelCard, paths: TranslationPaths) -> None:
    """Write a model file beside its destination and rename it, so that a reader never sees half of one."""
    header = {"format": FORMAT, "format_version": str(FORMAT_VERSION), "card": card.model_dump_json()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in paths.state_dict().items()}
    write_atomically(path, save(tensors, metadata=header))


def find_model(place: Path) -> Path:
    """The model file at `place`: itself, or the one in a run folder.

    Raises:
        CheckpointError: there is none.
    """
    if place.is_dir():
        path = place / MODEL_FILE
        if not path.is_file():
            raise CheckpointError(f"{place} holds no {MODEL_FILE}: it is not a run, or has no checkpoint yet")
        return path
    if not place.is_file():
        raise CheckpointError(f"{place} does not exist: name a run folder or a {MODEL_FILE}")
    return place


def read_card(path: Path) -> ModelCard:
    """The description in a model's header.

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
        return ModelCard.model_validate_json(header.get("card", ""))
    except ValidationError as problem:
        raise CheckpointError(
            f"{path} has a model card that cannot be used ({first_mistake(problem)}): put a copy back, or make it anew"
        ) from None


def load_model(path: Path) -> Model:
    """Read a model file and build the networks it describes, once its tensors are known to fit them.

    Raises:
        CheckpointError: not a model file, a newer format, or tensors that do not fit the description
            or hold no finite numbers.
    """
    card = read_card(path)
    with torch.device("meta"):  # so that a damaged card costs neither time nor memory
        paths = build_translation_paths(card.network, card.image_size)
    expected = paths.state_dict()
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
        if names != set(expected):
            odd = sorted(names ^ set(expected))
            raise CheckpointError(f"{path} does not hold the tensors its card describes: {', '.join(odd[:3])} ...")
        for name, tensor in expected.items():
            if list(file.get_slice(name).get_shape()) != list(tensor.shape):
                raise CheckpointError(f"{path}: tensor {name} does not have the shape its card describes")
        tensors = {name: file.get_tensor(name) for name in names}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not tensor.isfinite().all():
            raise CheckpointError(f"{path}: tensor {name} holds something else than finite numbers: it is damaged")
    paths.to_empty(device="cpu").load_state_dict(tensors)
    return Model(card, paths)
