"""Checkpoints in the format of the published U-GAT-IT: a dict of state dicts, two generators and, while training,
`disGA`, `disGB` (global) and `disLA`, `disLB` (local).
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
from nicegan.methods.published import Published, fitted_networks, plain_tensors, read_checkpoint
from nicegan.methods.ugatit.config import NUM_DOWNS, UGATIT, UGATITNetwork

GENERATORS = {f"gen{source}2{target}": (source, target) for source, target in ("AB", "BA")}  # genAtoB, genBtoA
CRITICS = {"disGA": "A.discriminator.all", "disGB": "B.discriminator.all"} | {
    "disLA": "A.discriminator.patches",
    "disLB": "B.discriminator.patches",
}
ASSUMED_SIDE = 256  # where the summary is pooled
FIRST_BLOCK = 12  # index of an encoder's first residual block
ENCODER = {
    "DownBlock.1.": "layers.0.",
    "DownBlock.5.": "layers.2.",
    "DownBlock.9.": "layers.4.",
    "gap_fc.": "attention.by_average.",
    "gmp_fc.": "attention.by_maximum.",
    "conv1x1.": "attention.mix.",
}
GENERATOR = {
    "FC.0.": "summary.head.first.",
    "FC.2.": "summary.head.second.",
    "gamma.": "summary.head.gamma.",
    "beta.": "summary.head.beta.",
    "UpBlock2.2.": "ups.1.",
    "UpBlock2.3.": "ups.2.",
    "UpBlock2.7.": "ups.4.",
    "UpBlock2.8.": "ups.5.",
    "UpBlock2.11.": "exit.",
}
CRITIC = {
    "gap_fc.": "attention.by_average.",
    "gmp_fc.": "attention.by_maximum.",
    "conv1x1.": "attention.mix.",
    "conv.": "logit.",
}
SUFFIXES = {"weight_orig": "weight", "weight_u": "norm.u", "weight_v": "norm.v"}


def read_published(path: Path) -> Published | None:
    """Return a published checkpoint of U-GAT-IT, all networks that it holds in their places; None for other files.

    Raises:
        CheckpointError: such a checkpoint, with tensors missing, unknown or of the wrong size.
    """
    if path.is_dir():
        return None
    content = read_checkpoint(path)
    if not all(isinstance(content.get(part), dict) for part in GENERATORS):
        return None
    known = [part for part in (*GENERATORS, *CRITICS) if isinstance(content.get(part), dict)]
    parts = {part: plain_tensors(f"{path}: {part}", content[part]) for part in known}
    config, size = infer_config(path, parts)
    with torch.device("meta"):  # so that a damaged checkpoint costs neither time nor memory
        method = config.build(size)
    found = {renamed(part, name): tensor for part in parts for name, tensor in parts[part].items()}
    networks = dict.fromkeys(network_of(name) for name in found)
    return Published(config, size, fitted_networks(path, found, method, networks))


def network_of(name: str) -> str:
    """Return the network that a tensor of ours belongs to: "A.encoder", "A.discriminator.all"."""
    parts = name.split(".")
    return ".".join(parts[: 3 if parts[1] == "discriminator" else 2])


def renamed(part: str, name: str) -> str:
    """Return our name of what `part` of a published checkpoint calls `name`.

    Raises:
        CheckpointError: a layer that such a network does not have.
    """
    head, _, suffix = name.rpartition(".")
    name = f"{head}.{SUFFIXES.get(suffix, suffix)}"
    if part in CRITICS:
        if match := re.fullmatch(r"model\.(\d+)\.(.+)", name):  # numbered with padding and activation: 1, 4, 7 ...
            return f"{CRITICS[part]}.layers.{(int(match[1]) - 1) // 3}.{match[2]}"
        return f"{CRITICS[part]}.{_looked_up(CRITIC, part, name)}"
    source, target = GENERATORS[part]
    if match := re.fullmatch(r"DownBlock\.(\d+)\.conv_block\.([15])\.(.+)", name):
        index, layer = int(match[1]) - FIRST_BLOCK, {"1": "conv1", "5": "conv2"}[match[2]]
        return f"{source}.encoder.layers.{6 + index}.{layer}.{match[3]}"
    if match := re.fullmatch(r"UpBlock1_(\d+)\.(.+)", name):
        return f"{target}.generator.blocks.{int(match[1]) - 1}.{match[2]}"
    if any(name.startswith(theirs) for theirs in ENCODER):
        return f"{source}.encoder.{_looked_up(ENCODER, part, name)}"
    return f"{target}.generator.{_looked_up(GENERATOR, part, name)}"


def _looked_up(table: dict[str, str], part: str, name: str) -> str:
    for theirs, ours in table.items():
        if name.startswith(theirs):
            return f"{ours}{name.removeprefix(theirs)}"
    raise CheckpointError(f"tensor {part}/{name} is not part of a published U-GAT-IT checkpoint")


def infer_config(path: Path, parts: dict[str, dict[str, Tensor]]) -> tuple[UGATIT, Size]:
    """Return the architecture, read from the names and shapes of the tensors, and the size of the images.

    Raises:
        CheckpointError: the tensors are not those of a U-GAT-IT.
    """
    generator = next(parts[part] for part in GENERATORS)
    try:
        base = generator["DownBlock.1.weight"].shape[0]
        width, features = generator["FC.0.weight"].shape
    except (KeyError, ValueError, IndexError):
        raise CheckpointError(f"{path} has no encoder or style layers of a U-GAT-IT: it is another method's") from None
    blocks = {match[0] for name in generator if (match := re.match(r"UpBlock1_\d+", name))}
    flat = features != width
    latent_side = math.isqrt(features // max(width, 1)) if flat else ASSUMED_SIDE >> NUM_DOWNS
    if flat and latent_side**2 * width != features:
        raise CheckpointError(f"{path}: its flat style layer takes {features} values, which no square image gives")
    depths = {
        kind: 2 + sum(bool(re.fullmatch(r"model\.\d+\.weight_orig", name)) for name in parts.get(part, {}))
        for kind, part in (("global_layers", "disGA"), ("local_layers", "disLA"))
    }
    given = {kind: depth - 1 for kind, depth in depths.items() if depth > 2}
    try:
        network = UGATITNetwork.model_validate(
            {"base_channels": base, "blocks": len(blocks), "summary": "flat" if flat else "pooled", **given}
        )
    except ValidationError as problem:
        raise CheckpointError(f"{path} describes networks that cannot be ({first_mistake(problem)})") from None
    side = latent_side << NUM_DOWNS
    if side > MAX_SIDE:
        raise CheckpointError(f"{path} describes networks of images of {side} pixels: it is damaged")
    return UGATIT(network=network), (side, side)
