"""Memory and open files do not grow with the number of steps."""

import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from tests.end_to_end.test_runs import ONE_THREAD

from nicegan.config import RunConfig
from nicegan.training.loop import Run

STEPS = 2000 if "NICEGAN_KILLS" in os.environ else 200
MAY_GROW = 2_000  # bytes a step
MEASURE = """
import sys
import numpy as np
import torch
from nicegan.machine import Machine, keep_freed_memory, process_bytes
from nicegan.methods.base import Batch
from nicegan.recipes import recipe
from nicegan.training.state import new_state
from nicegan.training.step import Stepper

keep_freed_memory()
num_steps, machine = int(sys.argv[1]), Machine(torch.device("cpu"), "float32")
network = {"base_channels": 4, "blocks": 1, "depth": 6}
config = recipe("nicegan-tiny", network=network, image_size=48, steps=10**6)
step = Stepper(new_state(config, machine.device), config, machine)
batch = Batch(*(torch.rand(1, 3, 48, 48) * 2 - 1 for _ in "ab"))
for _ in range(50):
    step(batch)
sizes = []
for _ in range(10):
    for _ in range(num_steps // 10):
        step(batch)
    sizes.append(process_bytes())
print(np.polyfit(np.arange(10) * num_steps // 10, sizes, 1)[0])
"""


def test_memory_does_not_grow() -> None:
    """The slope of a line through ten readings, in a process of its own: what tests before it left behind is not."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(STEPS)], capture_output=True, text=True, check=False, env=ONE_THREAD
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < MAY_GROW


def test_a_run_closes_its_files(tiny_run: RunConfig, tmp_path: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    counts = []
    for number in range(3):
        Run(tiny_run.model_copy(update={"seed": number}), tmp_path / f"run{number}", Console(quiet=True)).train()
        counts.append(open_files())
    assert counts[0] == counts[2], counts
