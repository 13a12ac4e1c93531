"""Our training step against the plain transcription of the published one: time, and bytes kept for the backward pass.

    python benchmarks/step.py --image-size 128 --rounds 7

The two sides take turns in one process; medians and spreads are printed, and written as JSON with --json FILE.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import torch

from nicegan.machine import choose_machine
from nicegan.methods.base import Batch
from nicegan.recipes import recipe
from nicegan.training.loop import train_step
from nicegan.training.records import source_commit
from nicegan.training.state import new_state
from reference_step import ReferenceStep


class Kept(NamedTuple):
    """Bytes that autograd keeps during one step: of activations, and of copies of weights (divided ones, say)."""

    activations: int
    weight_copies: int


def kept_bytes(step: Callable[[], object], modules: Iterable[torch.nn.Module]) -> Kept:
    """Each storage counts once and the weights themselves do not; a tensor shaped like a weight is a copy of one."""
    weights = [parameter for module in modules for parameter in module.parameters()]
    addresses = {weight.untyped_storage().data_ptr() for weight in weights}
    shapes = {weight.shape for weight in weights if weight.ndim > 1}
    seen: dict[int, tuple[int, bool]] = {}
    alive = []  # a freed storage's address could be used again

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in addresses:
            seen[storage.data_ptr()] = storage.nbytes(), tensor.shape in shapes
            alive.append(storage)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step()
    copies = sum(size for size, is_copy in seen.values() if is_copy)
    return Kept(sum(size for size, _ in seen.values()) - copies, copies)


def take_turns(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each side, one run of each per round, after one round to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, step in sides.items():
            start = time.perf_counter()
            step()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def measure(size: int, rounds: int) -> dict[str, object]:
    config = recipe("nicegan", image_size=size)
    machine = choose_machine("auto", "auto")
    state = new_state(config, machine.device)
    reference = ReferenceStep(device=str(machine.device))
    a, b = (torch.rand(1, 3, size, size, device=machine.device) * 2 - 1 for _ in "ab")
    sides = {
        "reference": lambda: reference(a, b),
        "nicegan": lambda: train_step(state, Batch(a, b), config, machine),
    }
    modules = {
        "reference": (reference.gen_a, reference.gen_b, reference.dis_a, reference.dis_b),
        "nicegan": state.method.domains,
    }
    kept = {name: kept_bytes(step, modules[name]) for name, step in sides.items()}
    seconds = take_turns(sides, rounds)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "machine": f"{machine}, torch {torch.__version__}",
        "commit": source_commit(),
        "image_size": size,
        "rounds": rounds,
        "seconds": {name: {"median": median[name], "min": min(v), "max": max(v)} for name, v in seconds.items()},
        "kept_mebibytes": {name: {k: v / 2**20 for k, v in value._asdict().items()} for name, value in kept.items()},
        "time_ratio": median["nicegan"] / median["reference"],
        "activations_ratio": kept["nicegan"].activations / kept["reference"].activations,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    result = measure(given.image_size, given.rounds)
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
