"""Memory and open files do not grow with the number of steps."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from tests.end_to_end.test_runs import ONE_THREAD

from nicegan.run_config import RunConfig
from nicegan.training.trainer import train

WARM_UP = 40
STEPS = 2000 if "NICEGAN_THOROUGH" in os.environ else 160  # memory comes in pages: 4096 bytes in 16 steps
LEAKY_STEPS = 20
BATCH_BYTES = 2 * 3 * 48 * 48 * 4
MAY_GROW = 1000  # bytes a step
MEASURE = """
import ctypes
import gc
import sys
from pathlib import Path
import numpy as np
from rich.console import Console
from nicegan.run_config import RunConfig
from nicegan.device import process_bytes
from nicegan.training.trainer import Run

config, out = RunConfig.model_validate_json(sys.argv[1]), Path(sys.argv[2])
warm_up, num_steps, num_leaky = map(int, sys.argv[3:])
kept, readings = [], []
clean_until = warm_up + num_steps
moments = {warm_up + i * num_steps // 10 for i in range(11)} | {clean_until + i * num_leaky // 10 for i in range(11)}

def leaking(*arguments):
    images = batch(*arguments)
    if run.state.step >= clean_until:
        kept.append(images)
    return images

def measure(state):
    if state.step in moments:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        readings.append((state.step, process_bytes()))

with Run(config, out, Console(quiet=True), on_step=measure) as run:
    batch, run.data.batch = run.data.batch, leaking
    run.train()
for part in (readings[:11], readings[10:]):
    steps, held = np.diff(part, axis=0).T
    print(np.median(held / steps))
print(*readings, sep="\\n", file=sys.stderr)
"""


@pytest.mark.long
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to give back what is free")
def test_memory_does_not_grow(tiny_run: RunConfig, tmp_path: Path) -> None:
    """A whole run, with its metrics, TensorBoard, samples, scores and checkpoints, in a process of its own.

    The median growth between eleven readings, after a warm-up: what comes once is no leak. Before each reading, what is
    free is given back to the system: training keeps it, and a leak would fill many megabytes of it unseen. In its last
    steps the run keeps every batch, a leak that must show.
    """
    every = {f"{what}_every": 20 for what in ("sample", "checkpoint", "score")}
    config = tiny_run.model_copy(update={"steps": WARM_UP + STEPS + LEAKY_STEPS, "image_size": 48, **every})
    arguments = [config.model_dump_json(), str(tmp_path / "run"), *map(str, (WARM_UP, STEPS, LEAKY_STEPS))]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments], capture_output=True, text=True, check=False, env=ONE_THREAD
    )
    assert done.returncode == 0, done.stderr
    clean, leaky = map(float, done.stdout.split())
    sys.stdout.write(f"{done.stderr}{clean:.0f} bytes a step, {leaky:.0f} where every batch is kept\n")
    assert clean < MAY_GROW
    assert leaky == pytest.approx(BATCH_BYTES, rel=0.5)
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"tensorboard", "samples", "checkpoints", "best"}


def test_a_run_closes_its_files(tiny_run: RunConfig, tmp_path: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    counts = []
    for number in range(3):
        train(tiny_run.model_copy(update={"seed": number}), tmp_path / f"run{number}", Console(quiet=True))
        counts.append(open_files())
    assert counts[0] == counts[2], counts
