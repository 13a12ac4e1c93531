"""Training that convolves by Winograd makes the steps that direct convolutions make."""

from collections.abc import Iterator

import pytest
import torch

from nicegan.device import Machine
from nicegan.nn import winograd
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch, Terms
from nicegan.training import memory
from nicegan.training.state import new_state
from nicegan.training.step import Stepper

CPU = Machine(torch.device("cpu"), "float32")


@pytest.fixture
def double_precision() -> Iterator[None]:
    """Make float64 the default for weights and noise."""
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
def test_steps_by_winograd_are_those_of_direct_convolutions(run_config: RunConfig, images: Batch) -> None:
    found = last_terms(run_config, images)
    with winograd.disabled():
        expected = last_terms(run_config, images)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.usefixtures("every_layer_by_winograd")
def test_the_kernels_that_a_step_keeps_are_predicted(
    run_config: RunConfig, images: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = new_state(run_config, CPU.device)
    kept: dict[int, int] = {}
    make = winograd._transformed_kernel

    def counted(weight: torch.Tensor) -> torch.Tensor:
        kernel = make(weight)
        kept[id(weight)] = kernel.nbytes
        return kernel

    monkeypatch.setattr(winograd, "_transformed_kernel", counted)
    layers = memory.layers_by_winograd(state.method)
    stepper = Stepper(state, run_config, CPU)
    for _ in range(state.method.steps_of_a_cycle()):
        stepper(images)
    assert sum(winograd.transformed_bytes(layer.weight) for layer in layers) == sum(kept.values()) > 0
