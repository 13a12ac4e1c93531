"""Predicted memory against what a process really takes, and what is said when it does not fit."""

import subprocess
import sys

import pytest
import torch

from nicegan.machine import Machine
from nicegan.recipes import recipe
from nicegan.training import memory
from nicegan.training.memory import predict, shortage

CPU = Machine(torch.device("cpu"), "float32")
MEASURE = """
import resource, torch
from nicegan.machine import choose_machine
from nicegan.methods.base import Batch
from nicegan.recipes import recipe
from nicegan.training.memory import predict
from nicegan.training.state import new_state
from nicegan.training.step import Stepper
config = recipe("nicegan", image_size=96, batch_size=2, network={"base_channels": 32, "blocks": 2})
machine = choose_machine("cpu", "float32", 1)
need = predict(config, machine).total
state = new_state(config, machine.device)
for _ in range(2):
    Stepper(state, config, machine)(Batch(*(torch.rand(2, 3, 96, 96) for _ in "ab")))
print(need, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_the_prediction_is_within_15_percent_of_a_process_that_trains() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    predicted, measured = map(int, done.stdout.split())
    assert predicted == pytest.approx(measured, rel=0.15)


def test_more_pixels_and_images_need_more_and_half_precision_less() -> None:
    small = predict(recipe("nicegan-tiny"), CPU)
    assert predict(recipe("nicegan-tiny", image_size=128), CPU).passing > 2 * small.passing
    assert predict(recipe("nicegan-tiny", batch_size=8), CPU).passing > 2 * small.passing
    halved = predict(recipe("nicegan-tiny", image_size=128, batch_size=8), CPU._replace(precision="bfloat16"))
    assert halved.passing < 0.8 * predict(recipe("nicegan-tiny", image_size=128, batch_size=8), CPU).passing


@pytest.mark.parametrize(
    ("gibibytes", "said"),
    [(5, "--batch-size 2 would fit"), (2.6, "--image-size 144 --batch-size 1 would fit"), (1, "base-channels 32")],
)
def test_what_does_not_fit_names_what_would(gibibytes: float, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: int(gibibytes * 2**30))
    monkeypatch.setattr(memory, "process_bytes", lambda: 300 << 20)
    problem = shortage(recipe("nicegan", batch_size=8), CPU)
    assert problem is not None
    assert said in problem


def test_what_fits_is_not_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 64 << 30)
    assert shortage(recipe("nicegan", batch_size=8), CPU) is None
    monkeypatch.setattr(memory, "free_bytes", lambda device: None)
    assert shortage(recipe("nicegan", batch_size=8), CPU) is None


@pytest.mark.parametrize("name", ["nicegan", "nicegan-star", "nicegan-tiny"])
def test_the_quick_rule_is_on_the_safe_side(name: str) -> None:
    config = recipe(name, batch_size=4)
    assert memory._generous(config) > predict(config, CPU).total
