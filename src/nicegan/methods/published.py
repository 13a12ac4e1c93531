"""Reading files of published code: plain tensors only, and nothing in the file is executed."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nicegan.config import MethodConfig, Size
from nicegan.errors import CheckpointError

DAMAGED = (RuntimeError, EOFError, ValueError, LookupError, AttributeError, TypeError, AssertionError, OSError)
PROFILER_BUFFERS = ("total_ops", "total_params")
UNUSED_STATISTICS = ("running_mean", "running_var")  # of norms that normalise each image by its own


class Published(NamedTuple):
    """A published checkpoint in our words.

    Args:
        config: its architecture, read from the tensors.
        size: height and width that it is taken to be trained at.
        state: the networks' state under our names, of as many networks as the file holds.
    """

    config: MethodConfig
    size: Size
    state: dict[str, Tensor]


def read_checkpoint(path: Path) -> dict[Any, Any]:
    """Return the content of a PyTorch file of plain tensors.

    Raises:
        CheckpointError: no such file, one that is damaged, or one that holds code.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is not a file: name a checkpoint of a published implementation (.pt, .pth)")
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
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is a PyTorch file, but holds no named tensors")
    return content


def plain_tensors(where: str, state: Any) -> dict[str, Tensor]:
    """Return a state dict's tensors without profiler buffers and `module.` prefixes.

    Raises:
        CheckpointError: something else than plain tensors of floating-point numbers.
    """
    if not isinstance(state, dict):
        raise CheckpointError(f"{where} is no state dict")
    tensors = {}
    for key, value in state.items():
        name = str(key).removeprefix("module.")
        if name.rpartition(".")[2] in PROFILER_BUFFERS:
            continue
        if not isinstance(value, Tensor) or value.layout is not torch.strided or not value.is_floating_point():
            raise CheckpointError(f"{where}/{name} is not a plain tensor of floating-point numbers")
        if value.is_meta:
            raise CheckpointError(f"{where}/{name} holds no numbers")
        tensors[name] = value
    return tensors


def fitted(where: str, found: dict[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Return the tensors, already under our names, in the shapes that `module` has.

    Raises:
        CheckpointError: tensors that are missing, unknown, of another size, or not finite.
    """
    expected = module.state_dict()
    if odd := sorted(set(expected) ^ set(found)):
        raise CheckpointError(f"{where} has missing or unknown tensors: {', '.join(odd[:3])}")
    for name, tensor in found.items():
        if not tensor.isfinite().all():
            raise CheckpointError(f"{where}/{name} holds something else than finite numbers: it is damaged")
        if tensor.numel() != expected[name].numel():
            raise CheckpointError(f"{where}/{name} has {tuple(tensor.shape)}, not what its width implies")
    return {name: tensor.reshape(expected[name].shape) for name, tensor in found.items()}


def fitted_networks(
    path: Path, found: dict[str, Tensor], method: nn.Module, networks: Iterable[str] | None = None
) -> dict[str, Tensor]:
    """Return `fitted` for each network, in one state; if none are named, for those found ("A.encoder" ...)."""
    state: dict[str, Tensor] = {}
    for network in networks or dict.fromkeys(".".join(name.split(".")[:2]) for name in found):
        own = {name.removeprefix(f"{network}."): found[name] for name in found if name.startswith(f"{network}.")}
        fit = fitted(f"{path}: {network}", own, method.get_submodule(network))
        state |= {f"{network}.{name}": tensor for name, tensor in fit.items()}
    return state


def num_outputs(path: Path, found: dict[str, Tensor], name: str, kind: str) -> int:
    """Return the first side of a tensor, the outputs of its layer.

    Raises:
        CheckpointError: it is missing, or a single number.
    """
    if name not in found or found[name].ndim == 0:
        raise CheckpointError(f"{path} has no tensor that could be {name}: it is not a whole {kind}")
    return found[name].shape[0]


def of_scales(path: Path, found: dict[str, Tensor], scales: str, kind: str) -> dict[str, int]:
    """Return the settings of a discriminator of several scales, which are `{scales}.0`, `{scales}.1` ...

    Raises:
        CheckpointError: the first layer is missing, or a single number.
    """

    def count(pattern: str) -> int:
        return sum(re.fullmatch(re.escape(scales) + pattern, name) is not None for name in found)

    return {
        "discriminator_channels": num_outputs(path, found, f"{scales}.0.0.weight", kind),
        "discriminator_layers": count(r"\.0\.\d+\.weight") - 1,  # and the one that makes the logits
        "discriminator_scales": count(r"\.\d+\.0\.weight"),
    }


Parts = dict[tuple[str, str], dict[str, Tensor]]


def read_gen_and_dis(path: Path, mark: str) -> Parts | None:
    """Return the tensors of `gen_00000001.pt`, and of `dis_00000001.pt` if it is there, by ("gen", "a") ...

    Args:
        path: a folder, whose newest files are read, or the file of generators.
        mark: a tensor that tells the method.

    Returns:
        None for other files, and for those of generators without the tensor `mark`.
    """
    generator_file = re.compile(r"gen_\d+\.pt")
    files = sorted(path.glob("gen_*.pt")) if path.is_dir() else [path]
    files = [file for file in files if generator_file.fullmatch(file.name)]
    if not files:
        return None
    generators = read_checkpoint(files[-1])
    if not all(isinstance(part := generators.get(domain), dict) and mark in part for domain in "ab"):
        return None
    file = files[-1].with_name(files[-1].name.replace("gen_", "dis_"))
    contents = {"gen": generators, "dis": read_checkpoint(file) if file.is_file() else {}}
    return {
        (part, domain): {
            name: tensor
            for name, tensor in plain_tensors(f"{path}: {part} {domain}", content.get(domain, {})).items()
            if not name.endswith(UNUSED_STATISTICS)
        }
        for part, content in contents.items()
        for domain in "ab"
    }
