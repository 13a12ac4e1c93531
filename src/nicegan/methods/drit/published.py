"""Checkpoints of the published DRIT: one file, `00000.pth`, with a state dict for each network."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from nicegan.config import first_mistake
from nicegan.errors import CheckpointError
from nicegan.methods.drit.config import DRIT, DRITNetwork
from nicegan.methods.published import Published, fitted_networks, num_outputs, of_scales, plain_tensors, read_checkpoint

ASSUMED_SIZE = (216, 216)  # the file does not tell
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # of norms, stored unused by old versions
NETWORKS = {
    "enc_c": ("A.encoder", "B.encoder"),
    "enc_a": ("A.style_encoder", "B.style_encoder"),
    "gen": ("A.generator", "B.generator"),
    "disA": ("A.discriminator.encoded",),
    "disA2": ("A.discriminator.random",),
    "disB": ("B.discriminator.encoded",),
    "disB2": ("B.discriminator.random",),
    "disContent": ("content_discriminator",),
}
TRANSLATING, DISCRIMINATORS = tuple(NETWORKS)[:3], tuple(NETWORKS)[3:]  # every file must hold the former
SHARED = re.compile(r"A(\.(?:encoder|generator)\.shared\..+)")  # one module, which B has as well
CONV = {"1": "conv1", "5": "conv2"}  # layers of a residual block
UP = {"0": "conv", "1": "norm"}  # layers of an enlargement
PAIR = {"": "encoded", "2": "random"}  # discriminators of a domain

# The published network, the name of a layer in it, and what we call that layer.
LAYERS: tuple[tuple[str, str, Callable[[re.Match[str]], str]], ...] = (
    ("enc_c", r"conv([AB])\.([0-2])\.model\.1", lambda m: f"{m[1]}.encoder.layers.{2 * int(m[2])}"),
    ("enc_c", r"conv([AB])\.([3-5])\.model\.([15])", lambda m: f"{m[1]}.encoder.layers.{3 + int(m[2])}.{CONV[m[3]]}"),
    ("enc_c", r"conv_share\.0\.model\.([15])", lambda m: f"A.encoder.shared.{CONV[m[1]]}"),
    ("enc_a", r"model_([ab])\.(1|4|7|10|13)", lambda m: f"{m[1].upper()}.style_encoder.layers.{int(m[2]) // 3 * 2}"),
    ("enc_a", r"model_([ab])\.16", lambda m: f"{m[1].upper()}.style_encoder.exit"),
    ("enc_a", r"conv_([AB])\.1", lambda m: f"{m[1]}.style_encoder.entry"),
    ("enc_a", r"conv_([AB])\.([2-4])\.conv\.2", lambda m: f"{m[1]}.style_encoder.blocks.{int(m[2]) - 2}.conv1"),
    ("enc_a", r"conv_([AB])\.([2-4])\.conv\.4\.1", lambda m: f"{m[1]}.style_encoder.blocks.{int(m[2]) - 2}.conv2"),
    ("enc_a", r"conv_([AB])\.([2-4])\.shortcut\.1", lambda m: f"{m[1]}.style_encoder.blocks.{int(m[2]) - 2}.shortcut"),
    ("enc_a", r"fc_([AB])\.0", lambda m: f"{m[1]}.style_encoder.mean"),
    ("enc_a", r"fcVar_([AB])\.0", lambda m: f"{m[1]}.style_encoder.log_variance"),
    ("gen", r"mlp([AB])\.([024])", lambda m: f"{m[1]}.generator.perceptron.{m[2]}"),
    ("gen", r"dec([AB])([1-4])\.conv([12])\.0\.1", lambda m: f"{m[1]}.generator.blocks.{int(m[2]) - 1}.conv{m[3]}"),
    (
        "gen",
        r"dec([AB])([1-4])\.blk([12])\.([02])",
        lambda m: f"{m[1]}.generator.blocks.{int(m[2]) - 1}.mix{m[3]}.{m[4]}",
    ),
    ("gen", r"dec([AB])5\.([01])\.model\.([01])", lambda m: f"{m[1]}.generator.ups.{m[2]}.{UP[m[3]]}"),
    ("gen", r"dec([AB])5\.2", lambda m: f"{m[1]}.generator.exit"),
    ("gen", r"dec_share\.0\.model\.([15])", lambda m: f"A.generator.shared.{CONV[m[1]]}"),
    ("gen", r"dec([AB])1\.([0-2])\.model\.([15])", lambda m: f"{m[1]}.generator.blocks.{m[2]}.{CONV[m[3]]}"),
    ("gen", r"dec([AB])([23])\.0\.model\.([01])", lambda m: f"{m[1]}.generator.ups.{int(m[2]) - 2}.{UP[m[3]]}"),
    ("gen", r"dec([AB])4\.0", lambda m: f"{m[1]}.generator.exit"),
    ("disContent", r"model\.(\d+)\.model\.1", lambda m: f"content_discriminator.layers.{2 * int(m[1])}"),
    ("disContent", r"model\.\d+", lambda m: "content_discriminator.exit"),
)


def read_published(path: Path) -> Published | None:
    """Return the published checkpoint in a file; None for other files.

    Raises:
        CheckpointError: such a checkpoint, with tensors missing, unknown or of the wrong size.
    """
    if path.is_dir():
        return None
    content = read_checkpoint(path)
    if not all(isinstance(content.get(part), dict) for part in TRANSLATING):
        return None
    is_whole = all(isinstance(content.get(part), dict) for part in DISCRIMINATORS)
    parts: dict[str, dict[Any, Any]] = {part: content[part] for part in (NETWORKS if is_whole else TRANSLATING)}
    found: dict[str, Tensor] = {}
    for part, tensors in parts.items():
        for name, tensor in plain_tensors(f"{path}: {part}", tensors).items():
            if not name.endswith(STATISTICS):
                found[renamed(part, name)] = tensor
    found |= {f"B{match[1]}": tensor for name, tensor in found.items() if (match := SHARED.fullmatch(name))}
    config = infer_config(path, found)
    with torch.device("meta"):
        method = config.build(ASSUMED_SIZE)
    networks = [network for part in parts for network in NETWORKS[part]]
    return Published(config, ASSUMED_SIZE, fitted_networks(path, found, method, networks))


def infer_config(path: Path, found: dict[str, Tensor]) -> DRIT:
    """Return the architecture, read from the names and shapes of the tensors under our names.

    Raises:
        CheckpointError: the tensors are not those of a DRIT.
    """

    def width(name: str) -> int:
        return num_outputs(path, found, name, "DRIT")

    def count(pattern: str) -> int:
        return sum(re.fullmatch(pattern, name) is not None for name in found)

    is_mixed = "A.generator.perceptron.0.weight" in found
    given: dict[str, Any] = {"style_input": "mixed" if is_mixed else "concatenated"}
    given["base_channels"] = width("A.encoder.layers.0.weight")
    given["style_features"] = width(f"A.style_encoder.{'exit' if is_mixed else 'mean'}.weight")
    if any(name.startswith("content_discriminator.") for name in found):  # then all are there
        given |= of_scales(path, found, "A.discriminator.encoded.scales", "DRIT")
        given["content_layers"] = count(r"content_discriminator\.layers\.\d+\.weight") - 1
    try:
        return DRIT(network=DRITNetwork(**given))
    except ValidationError as problem:
        raise CheckpointError(f"{path} describes networks that cannot be ({first_mistake(problem)})") from None


def renamed(part: str, name: str) -> str:
    """Return our name of what a published network calls `name`.

    Raises:
        CheckpointError: a layer that such a network does not have.
    """
    layer, _, parameter = name.rpartition(".")
    if match := re.fullmatch(r"dis([AB])(2?)\.Diss\.(\d+)\.(\d+)(?:\.model\.1)?", f"{part}.{layer}"):
        pair = PAIR[match[2]]
        return f"{match[1]}.discriminator.{pair}.scales.{match[3]}.{2 * int(match[4])}.{parameter}"
    for network, theirs, ours in LAYERS:
        if network == part and (match := re.fullmatch(theirs, layer)):
            return f"{ours(match)}.{parameter}"
    raise CheckpointError(f"tensor {part}/{name} is not part of a published DRIT checkpoint")
