"""Training that convolves by Winograd makes the steps that the definition makes."""

from collections.abc import Iterator

import pytest
import torch

from nicegan.device import Machine
from nicegan.nn import winograd
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch, Terms
from nicegan.training.state import new_state
from nicegan.training.step import Stepper

CPU = Machine(torch.device("cpu"), "float32")


@pytest.fixture
def double_precision() -> Iterator[None]:
    """Of weights and of what is drawn."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def every_layer_by_winograd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "FEWEST_CHANNELS", 1)
    monkeypatch.setattr(winograd, "FEWEST_PIXELS", 1)


def last_terms(config: RunConfig, images: Batch) -> Terms:
    """The terms of a step in which every phase was due, after one that moved the weights."""
    state = new_state(config, CPU.device)
    stepper = Stepper(state, config, CPU)
    batch = Batch(*(image.double() for image in images))
    return [stepper(batch) for _ in range(2 * state.method.steps_of_a_cycle())][-1]


@pytest.mark.usefixtures("double_precision", "every_layer_by_winograd")
def test_steps_by_winograd_are_those_by_the_definition(run_config: RunConfig, images: Batch) -> None:
    found = last_terms(run_config, images)
    with winograd.by_definition():
        expected = last_terms(run_config, images)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)
