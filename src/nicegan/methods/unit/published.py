"""Checkpoints of the published UNIT: `gen_00000001.pt` and `dis_00000001.pt`, each a dict of "a" and "b"."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from nicegan.config import first_mistake
from nicegan.errors import CheckpointError
from nicegan.methods.published import Published, fitted_networks, num_outputs, of_scales, read_gen_and_dis
from nicegan.methods.unit.config import UNIT, UNITNetwork

ASSUMED_SIZE = (256, 256)  # the files do not tell
DOMAINS = {"a": "A", "b": "B"}


def read_published(path: Path) -> Published | None:
    """Return the published checkpoint in a folder (the newest), or of which the file of generators is named; None for
    other files.

    Raises:
        CheckpointError: such a checkpoint, with tensors missing, unknown or of the wrong size.
    """
    parts = read_gen_and_dis(path, "enc.model.0.conv.weight")
    if parts is None:
        return None
    found = {renamed(*part, name): tensor for part, tensors in parts.items() for name, tensor in tensors.items()}
    config = infer_config(path, found)
    with torch.device("meta"):
        method = config.build(ASSUMED_SIZE)
    return Published(config, ASSUMED_SIZE, fitted_networks(path, found, method))


def infer_config(path: Path, found: dict[str, Tensor]) -> UNIT:
    """Return the architecture, read from the names and shapes of the tensors under our names.

    Raises:
        CheckpointError: the tensors are not those of a UNIT.
    """
    blocks = {match[1] for name in found if (match := re.match(r"A\.encoder\.layers\.(\d+)\.conv1\.", name))}
    given = {"blocks": len(blocks), "base_channels": num_outputs(path, found, "A.encoder.layers.0.weight", "UNIT")}
    if any(name.startswith("A.discriminator.") for name in found):
        given |= of_scales(path, found, "A.discriminator.scales", "UNIT")
    try:
        return UNIT(network=UNITNetwork.model_validate(given))
    except ValidationError as problem:
        raise CheckpointError(f"{path} describes networks that cannot be ({first_mistake(problem)})") from None


def renamed(part: str, domain: str, name: str) -> str:
    """Return our name of what a published network of the domain "a" or "b" calls `name`.

    Raises:
        CheckpointError: a layer that such a network does not have.
    """
    ours = DOMAINS[domain]
    if part == "dis" and (match := re.fullmatch(r"cnns\.(\d+)\.(\d+)(?:\.conv)?\.(weight|bias)", name)):
        return f"{ours}.discriminator.scales.{match[1]}.{2 * int(match[2])}.{match[3]}"
    block = r"model\.{}\.model\.(\d+)\.model\.([01])\.conv\.(weight|bias)"
    if match := re.fullmatch("enc." + block.format(3), name):
        return f"{ours}.encoder.layers.{6 + int(match[1])}.conv{1 + int(match[2])}.{match[3]}"
    if match := re.fullmatch("dec." + block.format(0), name):
        return f"{ours}.generator.blocks.{match[1]}.conv{1 + int(match[2])}.{match[3]}"
    if match := re.fullmatch(r"enc\.model\.([012])\.conv\.(weight|bias)", name):
        return f"{ours}.encoder.layers.{2 * int(match[1])}.{match[2]}"
    if match := re.fullmatch(r"dec\.model\.([24])\.(conv|norm)\.(\w+)", name):
        layer = {"2": 1, "4": 4}[match[1]] + (match[2] == "norm")
        return f"{ours}.generator.ups.{layer}.{match[3]}"
    if match := re.fullmatch(r"dec\.model\.5\.conv\.(weight|bias)", name):
        return f"{ours}.generator.exit.{match[1]}"
    raise CheckpointError(f"tensor {part}/{domain}/{name} is not part of a published UNIT checkpoint")
