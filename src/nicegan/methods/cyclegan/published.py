"""Checkpoints of the published CycleGAN: one file for each network, as its trainer names them.

`latest_net_G_A.pth` maps A to B and `latest_net_G_B.pth` back; `D_A` sees images of B, `D_B` those of A.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from nicegan.config import first_mistake
from nicegan.errors import CheckpointError
from nicegan.methods.cyclegan.config import CycleGAN, CycleGANNetwork
from nicegan.methods.published import Published, fitted, plain_tensors, read_checkpoint

FILE = re.compile(r"(?P<epoch>.+)_net_(?P<part>[GD](?:_[AB])?)\.pth")
ASSUMED_SIZE = (256, 256)  # the files do not tell
STATISTICS = {"running_mean", "running_var", "num_batches_tracked"}
FIRST_BLOCK = 10  # index of a generator's first residual block
OTHER = {"A": "B", "B": "A"}


def read_published(path: Path) -> Published | None:
    """Return the published checkpoint in a folder, or of which one file is named; None for other files.

    Raises:
        CheckpointError: such a checkpoint, with files or tensors missing, unknown or of the wrong size.
    """
    files = network_files(path)
    if files is None:
        return None
    parts = {part: plain_tensors(str(file), without_statistics(read_checkpoint(file))) for part, file in files.items()}
    config = infer_config(files, parts)
    with torch.device("meta"):
        method = config.build(ASSUMED_SIZE)
    state: dict[str, Tensor] = {}
    for part, tensors in parts.items():
        blocks = config.network.blocks
        found = {renamed(part, name, blocks, files[part]): tensor for name, tensor in tensors.items()}
        prefixes = network_names(part)
        expected = torch.nn.ModuleDict({name.replace(".", "_"): method.get_submodule(name) for name in prefixes})
        flat = {re.sub(r"^([AB])\.", r"\1_", name): tensor for name, tensor in found.items()}
        fit = fitted(str(files[part]), flat, expected)
        state |= {re.sub(r"^([AB])_", r"\1.", name): tensor for name, tensor in fit.items()}
    return Published(config, ASSUMED_SIZE, state)


def without_statistics(state: dict[Any, Any]) -> dict[Any, Any]:
    """Return the state without the running statistics that instance norms of old PyTorch versions stored unused."""
    return {name: value for name, value in state.items() if str(name).rpartition(".")[2] not in STATISTICS}


def network_files(path: Path) -> dict[str, Path] | None:
    """Return the files of the networks there are, by their published names; None if `path` holds no generators.

    Raises:
        CheckpointError: only one of the two generators.
    """
    named = FILE.fullmatch(path.name)
    folder = path if path.is_dir() else path.parent
    if any(folder.glob("*_net_F.pth")):  # another method's, of the same authors
        return None
    epochs = {}
    for file in sorted(folder.glob("*_net_*.pth")):
        if match := FILE.fullmatch(file.name):
            epochs.setdefault(match["epoch"], {})[match["part"]] = file
    if (path.is_dir() or named) and any("G" in parts for parts in epochs.values()):
        raise CheckpointError(
            f"{folder} has a network of one direction only (..._net_G.pth): a model needs G_A and G_B"
        )
    epochs = {epoch: parts for epoch, parts in epochs.items() if {"G_A", "G_B"} & parts.keys()}
    if (not path.is_dir() and not named) or not epochs:
        return None
    epoch = (
        named["epoch"]
        if named
        else ("latest" if "latest" in epochs else max(epochs, key=lambda name: (len(name), name)))
    )
    if epoch not in epochs:
        return None
    parts = {part: file for part, file in epochs[epoch].items() if part in ("G_A", "G_B", "D_A", "D_B")}
    if missing := {"G_A", "G_B"} - parts.keys():
        raise CheckpointError(f"{folder} has no {epoch}_net_{missing.pop()}.pth: a model needs both generators")
    return parts


def infer_config(files: dict[str, Path], parts: dict[str, dict[str, Tensor]]) -> CycleGAN:
    """Return the architecture, read from the names and shapes of the tensors.

    Raises:
        CheckpointError: the tensors are not those of a CycleGAN with residual blocks.
    """
    generator, file = parts["G_A"], files["G_A"]
    blocks = {match[1] for name in generator if (match := re.match(r"model\.(\d+)\.conv_block\.", name))}
    try:
        base = generator["model.1.weight"].shape[0]
        discriminator = next((parts[name] for name in ("D_A", "D_B") if name in parts), None)
        width = base if discriminator is None else discriminator["model.0.weight"].shape[0]
        return CycleGAN(network=CycleGANNetwork(base_channels=base, blocks=len(blocks), discriminator_channels=width))
    except (KeyError, IndexError):
        raise CheckpointError(f"{file} has no layers of a CycleGAN generator: it is another method's") from None
    except ValidationError as problem:
        raise CheckpointError(f"{file} describes networks that cannot be ({first_mistake(problem)})") from None


def network_names(part: str) -> list[str]:
    """Return our names of a published network: G_A is the encoder of A and the generator of B."""
    domain = part[-1]
    if part.startswith("D"):
        return [f"{OTHER[domain]}.discriminator"]
    return [f"{domain}.encoder", f"{OTHER[domain]}.generator"]


def renamed(part: str, name: str, blocks: int, file: Path) -> str:
    """Return our name of what a published network calls `name`.

    Raises:
        CheckpointError: a layer that such a network does not have.
    """
    names = network_names(part)
    if match := re.fullmatch(r"model\.(\d+)\.conv_block\.([15])\.(weight|bias)", name):
        index, layer = int(match[1]) - FIRST_BLOCK, {"1": "conv1", "5": "conv2"}[match[2]]
        return f"{names[-1]}.blocks.{index}.{layer}.{match[3]}"
    if match := re.fullmatch(r"model\.(\d+)\.(weight|bias)", name):
        index, kind = int(match[1]), match[2]
        if part.startswith("D"):
            return f"{names[0]}.layers.{index}.{kind}"
        after = FIRST_BLOCK + blocks
        layers = {1: f"{names[0]}.layers.0", 4: f"{names[0]}.layers.2", 7: f"{names[0]}.layers.4"}
        layers |= {after: f"{names[1]}.ups.0.0", after + 3: f"{names[1]}.ups.1.0", after + 7: f"{names[1]}.exit"}
        if index in layers:
            return f"{layers[index]}.{kind}"
    raise CheckpointError(f"{file}: tensor {name} is not part of a published CycleGAN network")
