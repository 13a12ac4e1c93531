"""Predicted memory against what a process really takes, and what is said when it does not fit."""

import subprocess
import sys

import pytest
import torch

from nicegan.device import Machine
from nicegan.recipes import recipe
from nicegan.run_config import RunConfig
from nicegan.training import memory
from nicegan.training.memory import predict

CPU = Machine(torch.device("cpu"), "float32")
SHALLOW = {"base_channels": 16, "blocks": 1, "depth": 6}  # nicegan-tiny with one block
MEASURE = """
import re, torch
from pathlib import Path
from nicegan.device import set_up_machine, keep_freed_memory, process_bytes
from nicegan.shapes import Batch
from nicegan.recipes import recipe
from nicegan.training.memory import predict
from nicegan.training.state import new_state
from nicegan.training.step import Stepper

def own_bytes():  # without the libraries, whose pages the system takes in and gives up as it likes
    return 1024 * int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

config = recipe("nicegan", image_size=96, batch_size=2, network={"base_channels": 32, "blocks": 2})
machine = set_up_machine("cpu", "float32", 1)
keep_freed_memory()
need = predict(config, machine).total
before, own = process_bytes(), own_bytes()
state = new_state(config, machine.device)
for _ in range(2):
    Stepper(state, config, machine)(Batch(*(torch.rand(2, 3, 96, 96) for _ in "ab")))
print(need - before, own_bytes() - own)
"""


def test_the_prediction_is_within_15_percent_of_a_process_that_trains() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    predicted, measured = map(int, done.stdout.split())
    assert predicted == pytest.approx(measured, rel=0.15)


def test_the_peak_is_not_that_of_whoever_started_the_process() -> None:
    ballast = b"1" * 2**30
    peak = "import torch; from nicegan.device import peak_bytes; print(peak_bytes(torch.device('cpu')))"
    done = subprocess.run([sys.executable, "-c", peak], capture_output=True, text=True, check=True)
    assert 2**26 < int(done.stdout) < len(ballast)


@pytest.mark.long
def test_more_pixels_and_images_need_more_and_half_precision_less() -> None:
    def passing(size: int, batch_size: int, machine: Machine = CPU) -> int:
        changes = {"image_size": size, "batch_size": batch_size, "network": SHALLOW}
        return predict(recipe("nicegan-tiny", **changes), machine).passing

    one, large = passing(128, 1), passing(128, 8)
    assert one > 2 * passing(64, 1)
    assert large > 2 * one
    assert passing(128, 8, CPU._replace(precision="bfloat16")) < 0.8 * large


def test_what_does_not_fit_names_what_would(monkeypatch: pytest.MonkeyPatch) -> None:
    config = recipe("nicegan", batch_size=8)

    def need(config: RunConfig, machine: Machine = CPU) -> memory.Need:
        return memory.Need(2**30, 100 * config.batch_size * config.size[0] * config.size[1])

    def said(free: int) -> str:
        monkeypatch.setattr(memory, "free_bytes", lambda device: free)
        return memory.shortage(config, CPU) or ""

    def fits(batch_size: int, side: int) -> str:
        return said(need(config.model_copy(update={"batch_size": batch_size, "image_size": (side, side)})).total)

    monkeypatch.setattr(memory, "predict", need)
    assert said(2**30) == (
        "training will need about 1.0 GiB and 1.0 GiB are free, and no smaller batch or image would fit: "
        "try a smaller --network.base-channels"
    )
    assert "--batch-size 4 would fit (1.0 GiB)" in fits(4, 256)
    assert "--batch-size 2 would fit" in said(need(config.model_copy(update={"batch_size": 4})).total - 1)
    assert "--batch-size 1 would fit" in fits(1, 256)
    assert "--image-size 192 --batch-size 1 would fit" in fits(1, 192)
    assert "--image-size 144 --batch-size 1 would fit" in fits(1, 144)
    assert "--image-size 108 --batch-size 1 would fit" in fits(1, 140)


def test_what_fits_is_not_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 64 << 30)
    assert memory.shortage(recipe("nicegan", batch_size=8), CPU) is None
    monkeypatch.setattr(memory, "free_bytes", lambda device: None)
    assert memory.shortage(recipe("nicegan", batch_size=8), CPU) is None


@pytest.mark.parametrize("name", ["nicegan", "nicegan-tiny"])
def test_the_quick_rule_is_on_the_safe_side(name: str) -> None:
    config = recipe(name, batch_size=4)
    assert memory._generous(config, CPU) > predict(config, CPU).total


def test_a_later_run_of_the_process_has_a_peak_of_its_own() -> None:
    peaks = """
import torch
from nicegan.device import forget_peak, peak_bytes
cpu = torch.device("cpu")
large = torch.ones(2**27)
del large
print(peak_bytes(cpu))
forget_peak(cpu)
print(peak_bytes(cpu))
"""
    done = subprocess.run([sys.executable, "-c", peaks], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before - after > 2**28
