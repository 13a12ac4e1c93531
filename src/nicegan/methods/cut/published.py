"""Checkpoints of the published CUT, which knows one direction: a model needs one of each, in two folders.

`FOLDER/a_to_b/latest_net_G.pth` (and `_D`, `_F`) and `FOLDER/b_to_a/latest_net_G.pth`.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from nicegan.config import first_mistake
from nicegan.errors import CheckpointError
from nicegan.methods.base import Method
from nicegan.methods.cut.config import CUT, CUTNetwork
from nicegan.methods.published import Published, fitted, plain_tensors, read_checkpoint

FOLDERS = {"a_to_b": ("A", "B"), "b_to_a": ("B", "A")}
ASSUMED_SIZE = (256, 256)  # the files do not tell
BLUR = "filt"  # fixed filters, which are no weights
FIRST_BLOCK = 12  # index of a generator's first residual block
PARTS = ("G", "D", "F")


def read_published(path: Path) -> Published | None:
    """Return the published checkpoints of both directions in a folder; None for other folders and files.

    Raises:
        CheckpointError: one direction only, or tensors that are missing, unknown or of the wrong size.
    """
    if (path / "latest_net_G.pth").is_file() and (path / "latest_net_F.pth").is_file():
        folders = " and ".join(FOLDERS)
        raise CheckpointError(f"{path} is of one direction: a model needs both, as {folders} in one folder")
    there = [name for name in FOLDERS if (path / name / "latest_net_G.pth").is_file()]
    if not there:
        return None
    if len(there) < len(FOLDERS):
        raise CheckpointError(f"{path} has {there[0]} only: a model needs {' and '.join(FOLDERS)}")
    parts = {name: read_direction(path / name) for name in FOLDERS}
    config = infer_config(path, parts["a_to_b"])
    with torch.device("meta"):
        method = config.build(ASSUMED_SIZE)
    state: dict[str, Tensor] = {}
    for name, (source, target) in FOLDERS.items():
        state |= state_of(parts[name], method, source, target, str(path / name))
    return Published(config, ASSUMED_SIZE, state)


def read_direction(folder: Path) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of one direction's networks G, D and F, as far as they are there."""
    files = {part: folder / f"latest_net_{part}.pth" for part in PARTS}
    return {
        part: {
            name: tensor
            for name, tensor in plain_tensors(str(file), read_checkpoint(file)).items()
            if name.rpartition(".")[2] != BLUR
        }
        for part, file in files.items()
        if file.is_file()
    }


def infer_config(path: Path, parts: dict[str, dict[str, Tensor]]) -> CUT:
    """Return the architecture, read from the names and shapes of the tensors.

    Raises:
        CheckpointError: the tensors are not those of a CUT with residual blocks.
    """
    generator = parts["G"]
    blocks = {match[1] for name in generator if (match := re.match(r"model\.(\d+)\.conv_block\.", name))}
    try:
        base = generator["model.1.weight"].shape[0]
        width = parts["D"]["model.0.weight"].shape[0] if "D" in parts else base
        features = parts["F"]["mlp_0.0.weight"].shape[0] if "F" in parts else CUTNetwork().patch_features
        network = CUTNetwork(
            base_channels=base, blocks=len(blocks), discriminator_channels=width, patch_features=features
        )
    except (KeyError, IndexError):
        raise CheckpointError(f"{path} has no layers of a CUT generator: it is another method's") from None
    except ValidationError as problem:
        raise CheckpointError(f"{path} describes networks that cannot be ({first_mistake(problem)})") from None
    return CUT(network=network)


def state_of(
    parts: dict[str, dict[str, Tensor]], method: Method, source: str, target: str, where: str
) -> dict[str, Tensor]:
    """Return one direction's tensors under our names, in the shapes that the method has."""
    num_blocks = len(method.get_submodule(f"{target}.generator.blocks")._modules)
    found = {
        renamed(part, name, num_blocks, source, target): tensor
        for part, tensors in parts.items()
        for name, tensor in tensors.items()
    }
    state: dict[str, Tensor] = {}
    for network in dict.fromkeys(".".join(name.split(".")[:2]) for name in found):
        own = {name.removeprefix(f"{network}."): found[name] for name in found if name.startswith(f"{network}.")}
        fit = fitted(where, own, method.get_submodule(network))
        state |= {f"{network}.{name}": tensor for name, tensor in fit.items()}
    return state


def renamed(part: str, name: str, num_blocks: int, source: str, target: str) -> str:
    """Return our name of what a published network, from source to target, calls `name`.

    Raises:
        CheckpointError: a layer that such a network does not have.
    """
    if part == "F" and (match := re.fullmatch(r"mlp_(\d)\.(.+)", name)):
        return f"{source}.sampler.mlps.{match[1]}.{match[2]}"
    if part == "D" and (match := re.fullmatch(r"model\.(\d+\..+)", name)):
        return f"{target}.discriminator.layers.{match[1]}"
    if match := re.fullmatch(r"model\.(\d+)\.conv_block\.([15])\.(weight|bias)", name):
        layer = {"1": "conv1", "5": "conv2"}[match[2]]
        return f"{target}.generator.blocks.{int(match[1]) - FIRST_BLOCK}.{layer}.{match[3]}"
    if match := re.fullmatch(r"model\.(\d+)\.(weight|bias)", name):
        after = FIRST_BLOCK + num_blocks
        layers = {1: f"{source}.encoder.entry", 4: f"{source}.encoder.convs.0", 8: f"{source}.encoder.convs.1"}
        layers |= {after + 1: f"{target}.generator.ups.1", after + 5: f"{target}.generator.ups.4"}
        layers |= {after + 9: f"{target}.generator.exit"}
        if int(match[1]) in layers:
            return f"{layers[int(match[1])]}.{match[2]}"
    raise CheckpointError(f"tensor {part}/{name} is not part of a published CUT network")
