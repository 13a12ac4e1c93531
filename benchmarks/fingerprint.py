"""The weights that training gives, as one number a recipe: did a change of the code change what is computed?

    python benchmarks/fingerprint.py [RECIPE ...]

Trains every recipe's tiny form (4 channels, 64 px, batch 2) for 20 steps with a fixed seed on painted scenes, on one
thread, and prints a SHA-256 of the raw weights and one of the averaged (EMA) weights in the last checkpoint. Equal
numbers need the same machine and the same torch.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from safetensors.numpy import load_file

import nicegan
from nicegan.data.synthetic import write_demo_data
from nicegan.recipes import RECIPES
from nicegan.run_config import RunConfig

STEPS = 20
TINY = {"base_channels": 4, "discriminator_channels": 4, "depth": 6, "global_layers": 6, "content_layers": 1}


def tiny_form(name: str, data: Path) -> RunConfig:
    """The recipe with narrow networks and small images."""
    network = RECIPES[name].method.network.model_dump()
    network |= {setting: value for setting, value in TINY.items() if setting in network}
    changes = {"network": network, "image_size": 64, "crop_margin": 6, "batch_size": 2, "steps": STEPS, "data": data}
    every = dict.fromkeys(("checkpoint_every", "score_every", "sample_every"), STEPS)
    return nicegan.recipe(name, **changes, **every, device="cpu", num_threads=1, average_decay=0.9)


def sha256(tensors: dict[str, np.ndarray]) -> str:
    """Of all numbers, in the order of their names."""
    sums = hashlib.sha256()
    for name in sorted(tensors):
        sums.update(name.encode() + np.ascontiguousarray(tensors[name]).tobytes())
    return sums.hexdigest()[:32]


def main() -> None:
    """Print the numbers of the recipes that are named, or of all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["NICEGAN_CACHE"] = str(folder / "cache")
        data = write_demo_data(folder / "scenes", seed=0, side=64, num_train=8, num_test=4).dataset
        for recipe in sys.argv[1:] or RECIPES:
            run = folder / recipe
            nicegan.train(tiny_form(recipe, data), run, Console(quiet=True))
            tensors = load_file(run / f"checkpoints/{STEPS:09d}/weights.safetensors")
            averaged = {name: values for name, values in tensors.items() if name.startswith("average.")}
            raw = {name: values for name, values in tensors.items() if name not in averaged}
            print(f"{recipe:14} weights {sha256(raw)}  averaged {sha256(averaged)}", flush=True)


if __name__ == "__main__":
    main()
