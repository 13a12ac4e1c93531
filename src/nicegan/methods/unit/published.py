"""Checkpoints of the published UNIT: `gen_00000001.pt` and `dis_00000001.pt`, each a dict of "a" and "b"."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from nicegan.config import first_mistake
from nicegan.errors import CheckpointError
from nicegan.methods.published import Published, fitted, plain_tensors, read_checkpoint
from nicegan.methods.unit.config import UNIT, UNITNetwork

FILE = re.compile(r"gen_(\d+)\.pt")
ASSUMED_SIZE = (256, 256)  # the files do not tell
DOMAINS = {"a": "A", "b": "B"}


def read_published(path: Path) -> Published | None:
    """Return the published checkpoint in a folder (the newest), or of which the file of generators is named; None for
    other files.

    Raises:
        CheckpointError: such a checkpoint, with tensors missing, unknown or of the wrong size.
    """
    files = sorted(file for file in path.glob("gen_*.pt") if FILE.fullmatch(file.name)) if path.is_dir() else [path]
    if not files or not FILE.fullmatch(files[-1].name):
        return None
    generators = read_checkpoint(files[-1])
    if not all("enc.model.0.conv.weight" in (generators.get(domain) or {}) for domain in DOMAINS):
        return None
    file = files[-1].with_name(files[-1].name.replace("gen_", "dis_"))
    parts: dict[str, dict[Any, Any]] = {"gen": generators, "dis": read_checkpoint(file) if file.is_file() else {}}
    found = {
        renamed(part, domain, name): tensor
        for part, content in parts.items()
        for domain in DOMAINS
        for name, tensor in plain_tensors(f"{path}: {part} {domain}", content.get(domain, {})).items()
        if not name.endswith(("running_mean", "running_var"))
    }
    config = infer_config(path, found)
    with torch.device("meta"):
        method = config.build(ASSUMED_SIZE)
    state: dict[str, Tensor] = {}
    for network in dict.fromkeys(".".join(name.split(".")[:2]) for name in found):
        own = {name.removeprefix(f"{network}."): found[name] for name in found if name.startswith(f"{network}.")}
        fit = fitted(f"{path}: {network}", own, method.get_submodule(network))
        state |= {f"{network}.{name}": tensor for name, tensor in fit.items()}
    return Published(config, ASSUMED_SIZE, state)


def infer_config(path: Path, found: dict[str, Tensor]) -> UNIT:
    """Return the architecture, read from the names and shapes of the tensors under our names.

    Raises:
        CheckpointError: the tensors are not those of a UNIT.
    """
    blocks = {match[1] for name in found if (match := re.match(r"A\.encoder\.layers\.(\d+)\.conv1\.", name))}
    scales = {match[1] for name in found if (match := re.match(r"A\.discriminator\.scales\.(\d+)\.", name))}
    layers = {match[1] for name in found if (match := re.match(r"A\.discriminator\.scales\.0\.(\d+)\.weight", name))}
    given: dict[str, int] = {}
    if scales:
        width = found["A.discriminator.scales.0.0.weight"].shape[0]
        given = {"discriminator_channels": width, "discriminator_layers": len(layers) - 1}
        given |= {"discriminator_scales": len(scales)}
    try:
        base = found["A.encoder.layers.0.weight"].shape[0]
        return UNIT(network=UNITNetwork(base_channels=base, blocks=len(blocks), **given))
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
