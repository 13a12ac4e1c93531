"""Checkpoints in the format of the published NICE-GAN implementation: read, renamed, and described from their tensors.

Such a file is a dict of state dicts `gen2A`, `gen2B`, `disA`, `disB` (and optimizer states, which are left alone).
"""

from __future__ import annotations

import math
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from nicegan.config import LossConfig, NetworkConfig, first_mistake
from nicegan.errors import CheckpointError
from nicegan.methods.base import Method
from nicegan.methods.build import build_method
from nicegan.model_file import ModelCard, read_card, save_model

DAMAGED = (RuntimeError, EOFError, ValueError, LookupError, AttributeError, TypeError, AssertionError, OSError)
PARTS = ("gen2A", "gen2B", "disA", "disB")
PROFILER_BUFFERS = ("total_ops", "total_params")
SHARED_LAYERS = 2

_GENERATOR = {
    r"UpBlock0\.1\.": "entry.0.",
    r"UpBlock0\.2\.": "entry.1.",
    r"FC\.0\.": "summary.head.first.",
    r"FC\.2\.": "summary.head.second.",
    r"(gamma|beta)\.weight": r"summary.head.\1.weight",
    r"UpBlock2\.1\.": "ups.0.0.",
    r"UpBlock2\.2\.": "ups.0.1.",
    r"UpBlock2\.4\.": "ups.0.2.",
    r"UpBlock2\.6\.": "ups.0.4.",
    r"UpBlock2\.9\.": "ups.1.0.",
    r"UpBlock2\.10\.": "ups.1.1.",
    r"UpBlock2\.12\.": "ups.1.2.",
    r"UpBlock2\.14\.": "ups.1.4.",
    r"UpBlock2\.17\.": "exit.",
}
_DISCRIMINATOR = {
    r"fc\.": "encoder.cam.",
    r"conv1x1\.": "encoder.attention.attended.mix.",
    r"lamda": "encoder.attention.gate",
    r"Dis0_1\.1\.": "classifiers.heads.local.layer.",
    r"Dis1_1\.1\.": "classifiers.heads.global.layer.",
    r"conv0\.": "classifiers.heads.local.logit.",
    r"conv1\.": "classifiers.heads.global.logit.",
}
_NUMBERED = {  # with an index that counts padding and activation too: 1, 4, 7 ...
    r"model\.(\d+)\.": "encoder.layers.{}.",
    r"Dis0_0\.(\d+)\.": "classifiers.trunks.local.{}.",
    r"Dis1_0\.(\d+)\.": "classifiers.trunks.global.{}.",
}
_SUFFIXES = {"weight_orig": "weight", "weight_u": "norm.u", "weight_v": "norm.v", "rho": "mix"}


def renamed(part: str, name: str) -> str:
    """Our name, inside a generator or discriminator, of what `part` of a published checkpoint calls `name`."""
    head, _, suffix = name.rpartition(".")
    if suffix in _SUFFIXES:
        name = f"{head}.{_SUFFIXES[suffix]}"
    if match := re.match(r"UpBlock1_(\d+)\.", name):
        return f"blocks.{int(match[1]) - 1}.{name[match.end() :]}"
    for pattern, ours in _NUMBERED.items():
        if match := re.match(pattern, name):
            return ours.format((int(match[1]) - 1) // 3) + name[match.end() :]
    table = _GENERATOR if part.startswith("gen") else _DISCRIMINATOR
    for pattern, ours in table.items():
        if re.match(pattern, name):
            return re.sub(f"^{pattern}", ours, name)
    raise CheckpointError(f"tensor {part}/{name} is not part of a published NICE-GAN checkpoint")


def read_published(path: Path) -> dict[str, dict[str, Tensor]]:
    """The state dicts of a published checkpoint, profiler buffers and `module.` prefixes dropped. Runs no code in it.

    Raises:
        CheckpointError: not such a checkpoint.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is not a file: name a checkpoint in the published NICE-GAN format (.pt)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{path} is not a PyTorch checkpoint of plain tensors (it is another kind of file, or holds code)"
        ) from None
    except DAMAGED as problem:
        reason = str(problem).partition("\n")[0] or "it ends too early"
        raise CheckpointError(f"{path} cannot be read as a PyTorch checkpoint: {reason}") from None
    if not isinstance(content, dict) or not all(isinstance(content.get(part), dict) for part in PARTS):
        raise CheckpointError(f"{path} is a PyTorch file, but not a NICE-GAN checkpoint: it needs {', '.join(PARTS)}")
    return {part: _tensors(path, part, content[part]) for part in PARTS}


def _tensors(path: Path, part: str, state: dict[Any, Any]) -> dict[str, Tensor]:
    tensors = {}
    for key, value in state.items():
        name = str(key).removeprefix("module.")
        if name.rpartition(".")[2] in PROFILER_BUFFERS:
            continue
        if not isinstance(value, Tensor) or value.layout is not torch.strided or not value.is_floating_point():
            raise CheckpointError(f"{path}: {part}/{name} is not a plain tensor of floating-point numbers")
        if value.is_meta:
            raise CheckpointError(f"{path}: {part}/{name} holds no numbers")
        tensors[name] = value
    return tensors


def infer_card(path: Path, parts: dict[str, dict[str, Tensor]]) -> ModelCard:
    """The architecture, read from the names and shapes of the tensors.

    Raises:
        CheckpointError: the tensors are not those of a NICE-GAN.
    """
    generator, discriminator = parts["gen2A"], parts["disA"]
    try:
        base_channels = discriminator["model.1.weight_orig"].shape[0]
        width, features = generator["FC.0.weight"].shape
    except (KeyError, ValueError, IndexError):
        raise CheckpointError(f"{path} has no encoder or style layers of a NICE-GAN: it is another method's") from None
    depth = SHARED_LAYERS + 4 + sum(bool(re.fullmatch(r"Dis0_0\.\d+\.weight_orig", name)) for name in discriminator)
    blocks = {match[0] for name in generator if (match := re.match(r"UpBlock1_\d+", name))}
    flat = features != width
    latent_side = math.isqrt(features // max(width, 1)) if flat else 64
    if flat and latent_side**2 * width != features:
        raise CheckpointError(f"{path}: its flat style layer takes {features} values, which no square image gives")
    side = latent_side << SHARED_LAYERS
    try:
        network = NetworkConfig(
            base_channels=base_channels, blocks=len(blocks), depth=depth, summary="flat" if flat else "pooled"
        )
        return ModelCard(network=network, image_size=(side, side), origin=f"published checkpoint {path.name}")
    except ValidationError as problem:
        raise CheckpointError(
            f"{path} describes networks that cannot be ({first_mistake(problem)}): it is damaged, or another method's"
        ) from None


def load_published(path: Path) -> tuple[ModelCard, Method]:
    """A published checkpoint as our method, every tensor in its place.

    Raises:
        CheckpointError: not such a checkpoint, or one with tensors missing, unknown or of the wrong size.
    """
    parts = read_published(path)
    card = infer_card(path, parts)
    with torch.device("meta"):  # so that a damaged checkpoint costs neither time nor memory
        expected = _modules(build_method(card.network, LossConfig(), card.image_size))
    states = {part: _fitted(path, part, parts[part], module.state_dict()) for part, module in expected.items()}
    method = build_method(card.network, LossConfig(), card.image_size)
    for part, module in _modules(method).items():
        module.load_state_dict(states[part])
    return card, method


def _modules(method: Method) -> dict[str, nn.Module]:
    """The networks by their published names."""
    modules: dict[str, nn.Module] = {}
    for domain in method.domains:
        modules |= {f"gen2{domain.name}": domain.generator, f"dis{domain.name}": domain.discriminator}
    return modules


def _fitted(path: Path, part: str, found: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a part under our names and in our shapes."""
    state = {renamed(part, name): tensor for name, tensor in found.items()}
    if odd := sorted(set(expected) ^ set(state)):
        raise CheckpointError(f"{path}: {part} has missing or unknown tensors: {', '.join(odd[:3])}")
    for name, tensor in state.items():
        if tensor.numel() != expected[name].numel():
            raise CheckpointError(f"{path}: {part}/{name} has {tuple(tensor.shape)}, not what its width implies")
    return {name: tensor.reshape(expected[name].shape) for name, tensor in state.items()}


def import_published(checkpoint: Path, out: Path) -> ModelCard:
    """Turn a published checkpoint into a model file; returns what the model says of itself.

    Raises:
        CheckpointError: as `load_published`, or `out` cannot be written, or is a file that is no model.
    """
    if not out.parent.is_dir():
        raise CheckpointError(f"cannot write {out}: there is no folder {out.parent}")
    if out.is_file():
        read_card(out)  # nothing but a model is written over
    card, method = load_published(checkpoint)
    save_model(out, card, method.translation_paths())
    return card
