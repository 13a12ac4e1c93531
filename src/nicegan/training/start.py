"""Where a run's weights begin, if not at random: at those of a model, a run or a checkpoint of the same networks."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from nicegan.checkpoint import EMA_PREFIX, WEIGHTS, pointed_at
from nicegan.config import Frozen
from nicegan.errors import CheckpointError
from nicegan.inference.choice import find_weights
from nicegan.methods.base import unique_state
from nicegan.model_file import MODEL_FILE, read_spec
from nicegan.run_config import RunConfig, differences
from nicegan.run_folder import RunFolder
from nicegan.training.state import TrainingState


def load_start(state: TrainingState, config: RunConfig, name: Path) -> str:
    """Take over weights, the averaged ones included; steps, optimizers and scores begin anew.

    Args:
        state: of a run before its first step.
        config: of that run.
        name: as `nicegan.inference.choice.find_weights` takes it; of a run, its best checkpoint.

    Returns:
        What was taken over, in words.

    Raises:
        CheckpointError: there are no such weights, or they are of other networks.
    """
    path = find_weights(name)
    if path.name == MODEL_FILE and (checkpoint := pointed_at(RunFolder(path.parent).best)):
        path = checkpoint  # of a run: it has the discriminators as well
    _refuse_other_networks(path, config)
    if not path.is_dir():
        tensors = load_file(path)
        _copy(tensors, state.method.translation_model(), path)
        _copy(tensors, state.ema, path)
        return f"from {path}, which holds what translates: the rest begins anew"
    tensors = load_file(path / WEIGHTS)
    averaged = {name.removeprefix(EMA_PREFIX): of for name, of in tensors.items() if name.startswith(EMA_PREFIX)}
    _copy({name: of for name, of in tensors.items() if not name.startswith(EMA_PREFIX)}, state.method, path)
    _copy(averaged, state.ema, path)
    return f"from {path}"


def _refuse_other_networks(path: Path, config: RunConfig) -> None:
    """Raise CheckpointError that names the settings in which the networks differ."""
    run = RunFolder(path.parent.parent)
    method = read_spec(path).method if path.is_file() else run.read_config().method
    if method.name != config.method.name:
        raise CheckpointError(
            f"{path} is of {method.title}, and this run of {config.method.title}: choose a recipe of it"
        )
    there, asked = (getattr(of, "network", None) for of in (method, config.method))
    if isinstance(there, Frozen) and isinstance(asked, Frozen) and (changed := differences(there, asked, "network.")):
        rows = ", ".join(f"{name} {old} there, {new} asked for" for name, (old, new) in changed.items())
        raise CheckpointError(f"{path} is of other networks: {rows}")


@torch.no_grad()
def _copy(tensors: dict[str, Tensor], module: nn.Module, path: Path) -> None:
    own = unique_state(module)
    odd = [name for name, tensor in own.items() if name not in tensors or tensors[name].shape != tensor.shape]
    if odd:
        raise CheckpointError(f"{path} does not fit this run's networks: {', '.join(odd[:3])} ...")
    for name, tensor in own.items():
        tensor.copy_(tensors[name])
