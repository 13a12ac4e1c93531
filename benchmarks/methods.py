"""Training steps against plain references in process time of one thread: for a machine that others use as well.

    python benchmarks/methods.py [--image-size 128] [--batch-size 1] [--rounds 3] RECIPE ...

The sides are those of `nicegan bench step`, in float32, each in a process of its own; they take turns. Prints a row of
a table for each recipe: medians with the fastest and slowest round, and what is counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from nicegan.bench import sides
from nicegan.bench.turns import Side
from nicegan.recipes import recipe

os.environ["OMP_NUM_THREADS"] = "1"
MIB = 2**20
MADE: list[Side] = []  # in the process of a side


def build(name: str, settings: dict[str, Any]) -> None:
    """Make the side and warm it up."""
    MADE.append(getattr(sides, name)(**settings))
    MADE[0].work()


def turn() -> float:
    """Return the process time that one piece of work takes."""
    start = time.process_time()
    MADE[0].work()
    return (time.process_time() - start) / MADE[0].pieces


def facts() -> dict[str, float]:
    """Return what is counted."""
    return MADE[0].facts()


def measure(name: str, size: int, batch: int, rounds: int) -> str:
    """Return the recipe's row."""
    config = recipe(name, image_size=size, batch_size=batch, device="cpu", num_threads=1, precision="float32")
    file = Path(__file__).parent / f"reference_{config.method.name}.py"
    given = {
        "reference_step": {"config": config, "device": "cpu", "file": file},
        "step": {"config": config},
        "convolution": {"config": config, "precision": "float32"},
    }
    pools = {side: ProcessPoolExecutor(1, get_context("spawn")) for side in given}
    for side, settings in given.items():
        pools[side].submit(build, side, settings).result()
    seconds: dict[str, list[float]] = {side: [] for side in given}
    for _ in range(rounds):
        for side, pool in pools.items():
            seconds[side].append(pool.submit(turn).result())
    counted = {side: pool.submit(facts).result() for side, pool in pools.items()}
    for pool in pools.values():
        pool.shutdown()
    theirs, ours, bare = (statistics.median(seconds[side]) for side in given)
    floor = counted["step"]["flops"] * bare / counted["convolution"]["flops"]
    kept = [counted[side]["kept_activations"] / MIB for side in ("reference_step", "step")]
    times = [f"{statistics.median(one):.2f} ({min(one):.2f} to {max(one):.2f})" for one in list(seconds.values())[:2]]
    return (
        f"| {name}, {size} px, batch {batch} | {times[0]} | {times[1]} | {ours / theirs:.2f} | {theirs / ours:.2f} "
        f"| {ours / floor:.2f} | {kept[0]:.0f} | {kept[1]:.0f} ({kept[1] / kept[0]:.2f}) |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("recipes", nargs="+")
    given = parser.parse_args()
    for name in given.recipes:
        print(measure(name, given.image_size, given.batch_size, given.rounds), flush=True)


if __name__ == "__main__":
    main()
