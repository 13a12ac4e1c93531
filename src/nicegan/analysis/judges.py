"""The discriminators of a run, from its checkpoint: a model file keeps none, as translating needs none."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from nicegan.errors import CheckpointError
from nicegan.machine import Machine
from nicegan.methods.build import build_discriminator
from nicegan.models.discriminator import Discriminator
from nicegan.run_folder import RunFolder, pointed_at

WEIGHTS = "weights.safetensors"


def judging_checkpoint(place: Path) -> Path | None:
    """The checkpoint that a run folder's model was made of, or its newest; None where `place` has no checkpoint."""
    run = RunFolder(place)
    if not run.config.is_file():
        return None
    return pointed_at(run.best) or pointed_at(run.latest)


def load_discriminators(place: Path, checkpoint: Path, machine: Machine) -> dict[str, Discriminator]:
    """The discriminators of "A" and "B" as they were trained (not averaged), on the machine's device and frozen.

    Raises:
        ConfigError: the run's config.json cannot be read.
        CheckpointError: the checkpoint cannot be read, or holds other networks than config.json says.
    """
    network = RunFolder(place).read_config().network
    discriminators = {domain: build_discriminator(network) for domain in "AB"}
    try:
        with safe_open(checkpoint / WEIGHTS, framework="pt") as file:
            stored = set(file.keys())
            for domain, discriminator in discriminators.items():
                prefix = f"{domain}.discriminator."
                names = {name for name in stored if name.startswith(prefix)}
                discriminator.load_state_dict({name.removeprefix(prefix): file.get_tensor(name) for name in names})
                discriminator.to(machine.device).eval().requires_grad_(False)  # noqa: FBT003
    except (OSError, RuntimeError, SafetensorError) as problem:
        reason = str(problem).partition("\n")[0]
        raise CheckpointError(f"checkpoint {checkpoint} cannot be read: {reason}") from None
    return discriminators
