"""Memory and open files do not grow with the number of steps."""

import os

import numpy as np
import torch
from rich.console import Console

from nicegan.config import RunConfig
from nicegan.machine import Machine, process_bytes
from nicegan.methods.base import Batch
from nicegan.training.loop import Run
from nicegan.training.state import new_state
from nicegan.training.step import Stepper

STEPS = 2000 if "NICEGAN_KILLS" in os.environ else 100
CPU = Machine(torch.device("cpu"), "float32")


def test_memory_does_not_grow(tiny_run: RunConfig, batch: Batch) -> None:
    """The slope of a line through ten readings, so that one lucky moment proves nothing."""
    config = tiny_run.model_copy(update={"steps": 10**6})
    step = Stepper(new_state(config, CPU.device), config, CPU)
    for _ in range(50):
        step(batch)
    sizes = []
    for _ in range(10):
        for _ in range(STEPS // 10):
            step(batch)
        sizes.append(process_bytes())
    bytes_per_step = np.polyfit(np.arange(10) * STEPS // 10, sizes, 1)[0]
    assert bytes_per_step < 2_000, sizes


def test_a_run_closes_its_files(tiny_run: RunConfig, tmp_path: object) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    counts = []
    for number in range(3):
        run = Run(tiny_run.model_copy(update={"seed": number}), tmp_path / f"run{number}", Console(quiet=True))  # pyright: ignore
        run.train()
        counts.append(open_files())
    assert counts[0] == counts[2], counts
