"""Checkpoints in the format of the published NICE-GAN implementation: read, renamed, and described from their tensors.

Such a file is a dict of state dicts `gen2A`, `gen2B`, `disA`, `disB` (and optimizer states, which are left alone).
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from nicegan.config import MAX_SIDE, Size, first_mistake
from nicegan.errors import CheckpointError
from nicegan.methods.nicegan.config import NiceGAN, NiceGANNetwork
from nicegan.methods.published import Published, fitted, plain_tensors, read_checkpoint

PARTS = ("gen2A", "gen2B", "disA", "disB")
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


def read_published(path: Path) -> Published | None:
    """Return a published checkpoint of NICE-GAN, all four networks in their places; None for other files.

    Raises:
        CheckpointError: such a checkpoint, with tensors missing, unknown or of the wrong size.
    """
    if path.is_dir():
        return None
    content = read_checkpoint(path)
    if not all(isinstance(content.get(part), dict) for part in PARTS):
        return None
    parts = {part: plain_tensors(f"{path}: {part}", content[part]) for part in PARTS}
    config, size = infer_config(path, parts)
    with torch.device("meta"):  # so that a damaged checkpoint costs neither time nor memory
        method = config.build(size)
    state: dict[str, Tensor] = {}
    for part in PARTS:
        network = _network_of(part)
        named = {renamed(part, name): tensor for name, tensor in parts[part].items()}
        fit = fitted(f"{path}: {part}", named, method.get_submodule(network))
        state |= {f"{network}.{name}": tensor for name, tensor in fit.items()}
    return Published(config, size, state)


def _network_of(part: str) -> str:
    """Return our name of a published network: "gen2A" is "A.generator"."""
    return f"{part[-1]}.{'generator' if part.startswith('gen') else 'discriminator'}"


def infer_config(path: Path, parts: dict[str, dict[str, Tensor]]) -> tuple[NiceGAN, Size]:
    """Return the architecture, read from the names and shapes of the tensors, and the size of the images.

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
        network = NiceGANNetwork(
            base_channels=base_channels, blocks=len(blocks), depth=depth, summary="flat" if flat else "pooled"
        )
    except ValidationError as problem:
        raise CheckpointError(
            f"{path} describes networks that cannot be ({first_mistake(problem)}): it is damaged, or another method's"
        ) from None
    config, size = NiceGAN(network=network), (side, side)
    problem = f"{side} is more than {MAX_SIDE}" if side > MAX_SIDE else config.translation_sizes(size).problem(size)
    if problem:
        raise CheckpointError(f"{path} describes networks of an impossible image size ({problem}): it is damaged")
    return config, size
