"""Recorded steps equal eager ones, bit for bit where the card computes the same bits every time."""

import os
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor

from nicegan.config import MethodConfig
from nicegan.device import Machine, make_deterministic, set_up_machine
from nicegan.methods.nicegan import phases as nicegan_phases
from nicegan.methods.registry import METHODS
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch
from nicegan.training.finite import NotFinite
from nicegan.training.graphs import CudaRecorder, Part, Parts, RecordedUpdate, Update
from nicegan.training.state import TrainingState, load_state, new_state, save_state
from nicegan.training.step import Stepper
from nicegan.training.trainer import Run
from tests.gpu.conftest import batches

STEPS = 200 if os.environ.get("NICEGAN_THOROUGH") else 40


def trained(config: RunConfig, machine: Machine, images: list[Batch]) -> tuple[TrainingState, Stepper]:
    state = new_state(config, machine.device)
    stepper = Stepper(state, config, machine)
    for batch in images:
        stepper(batch)
    stepper.finite.settle()
    return state, stepper


def assert_equal(one: TrainingState, other: TrainingState) -> None:
    theirs = other.tensors()
    different = [name for name, tensor in one.tensors().items() if not torch.equal(tensor, theirs[name])]
    assert not different
    assert set(one.optimizers) == set(other.optimizers)
    for phase, mine in one.optimizers.items():
        its = other.optimizers[phase]
        for parameter, counterpart in zip(mine.state, its.state, strict=True):
            assert all(torch.equal(mine.state[parameter][k], its.state[counterpart][k]) for k in mine.state[parameter])


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("method", [METHODS[name].tiny() for name in METHODS], ids=METHODS)
def test_recorded_steps_equal_eager_ones(
    method: MethodConfig, config: RunConfig, precision: str, accumulate: int
) -> None:
    make_deterministic()
    machine = set_up_machine("cuda", precision)
    size = method.training_sizes().padded(config.size)
    config = config.model_copy(update={"accumulate": accumulate, "method": method, "image_size": size})
    images = batches(STEPS, side=size[0])
    recorded, stepper = trained(config, machine, images)
    assert stepper.graphs_described() == "CUDA graphs: on"
    assert all(isinstance(update, RecordedUpdate) and update.replay for update in stepper.updates)
    eager, plain = trained(config.model_copy(update={"cuda_graphs": False}), machine, images)
    assert plain.graphs_described() == "CUDA graphs: off (--no-cuda-graphs)"
    assert_equal(recorded, eager)


def test_a_batch_left_out_is_caught(config: RunConfig, machine: Machine) -> None:
    """Planted error: the recorded images are not replaced."""
    make_deterministic()
    images = batches(8)
    eager, _ = trained(config.model_copy(update={"cuda_graphs": False}), machine, images)
    stale, _ = trained(config, machine, [*images[:4], *[images[3]] * 4])
    with pytest.raises(AssertionError):
        assert_equal(stale, eager)


def test_a_run_cut_in_two_equals_a_whole_one(config: RunConfig, machine: Machine, tmp_path: Path) -> None:
    make_deterministic()
    images = batches(12)
    whole, _ = trained(config, machine, images)
    first, _ = trained(config, machine, images[:7])
    checkpoint = save_state(tmp_path / "checkpoints", first)
    second = new_state(config.model_copy(update={"seed": 5}), machine.device)
    stepper = Stepper(second, config, machine)
    for batch in batches(5, size=2):  # what was recorded before a restore must not be replayed after it
        stepper(batch)
    load_state(checkpoint, second)
    stepper.record_anew()
    for batch in images[7:]:
        stepper(batch)
    assert second.step == whole.step
    assert_equal(second, whole)


def test_a_batch_of_another_shape_is_computed_eagerly(config: RunConfig, machine: Machine) -> None:
    make_deterministic()
    images = [*batches(6), *batches(2, size=1), *batches(2)]
    recorded, _ = trained(config, machine, images)
    eager, _ = trained(config.model_copy(update={"cuda_graphs": False}), machine, images)
    assert_equal(recorded, eager)


def test_what_cannot_be_recorded_runs_eagerly_and_says_why(gpu: torch.device) -> None:
    seen = torch.zeros(1, device=gpu)

    def update(parts: Parts) -> Update:
        mean = parts[0].batch.a.mean()
        seen.add_(mean.item())  # waits for the card, which a recording forbids
        return Update({"mean": mean}, seen.clone(), [{}])

    recorded = RecordedUpdate(update, CudaRecorder(gpu))
    ones = torch.ones(1, 3, 4, 4, device=gpu)
    numbers = [recorded([Part(Batch(ones, ones), (), {})]).numbers.item() for _ in range(6)]
    assert numbers == [1, 2, 3, 4, 5, 6]
    assert recorded.problem
    torch.randn(1, device=gpu)  # a recording that failed has let go of the GPU's random numbers


def test_a_wrong_number_is_noticed_two_steps_later_and_named(config: RunConfig, machine: Machine) -> None:
    state = new_state(config, machine.device)
    stepper, images = Stepper(state, config, machine), batches(10)
    images[5].a[0, 0, 3, 3] = float("nan")
    for batch in images[:7]:
        stepper(batch)
    with pytest.raises(NotFinite, match="step 6: discriminator/") as caught:
        stepper(images[7])
    assert caught.value.step == 6


def test_a_wrong_number_is_read_before_anything_is_saved(config: RunConfig, machine: Machine) -> None:
    state = new_state(config, machine.device)
    stepper, images = Stepper(state, config, machine), batches(6)
    images[5].b[:] = float("inf")
    for batch in images:
        stepper(batch)
    with pytest.raises(NotFinite, match="step 6: "):
        stepper.finite.settle()


def test_a_rollback_records_anew_and_goes_on(tiny_run: RunConfig, tmp_path: Path) -> None:
    config = tiny_run.model_copy(
        update={"device": "cuda", "steps": 16, "checkpoint_every": 5, "on_nan": "rollback", "score_every": 16}
    )
    with Run(config, tmp_path / "run", Console(quiet=True)) as run:
        right, calls = run.data.batch, []

        def poisoned(*arguments: object) -> Batch:
            batch = right(*arguments)  # pyright: ignore[reportArgumentType]
            calls.append(run.state.step)
            if len(calls) == 8:
                batch.a[:] = float("nan")
            return batch

        run.data.batch = poisoned  # pyright: ignore[reportAttributeAccessIssue]
        outcome = run.train()
    assert (outcome.step, outcome.exit_code, run.state.rollbacks) == (16, 0, 1)
    assert calls.count(5) == 2, "back to the checkpoint of step 5"
    assert all(torch.isfinite(tensor).all() for tensor in run.state.tensors().values())


def test_memory_does_not_grow(config: RunConfig, machine: Machine) -> None:
    state = new_state(config, machine.device)
    stepper, images = Stepper(state, config, machine), batches(2)
    held: list[int] = []
    for number in range(30):
        stepper(images[number % 2])
        held.append(torch.cuda.memory_allocated())
    assert held[10] == held[-1]


def relative(one: Tensor, other: Tensor) -> float:
    return ((one.double() - other.double()).norm() / other.double().norm()).item()


def test_precisions_differ_as_much_as_their_digits(config: RunConfig) -> None:
    def terms(precision: str) -> Tensor:
        machine = set_up_machine("cuda", precision)
        stepper = Stepper(new_state(config, machine.device), config, machine)
        return torch.stack([term.float() for term in stepper(batches(1)[0]).values()])

    exact = terms("float32")
    assert relative(terms("tf32"), exact) < 2e-3
    assert 1e-6 < relative(terms("bfloat16"), exact) < 2e-2


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
@pytest.mark.parametrize("cuda_graphs", [True, False])
def test_directions_side_by_side_equal_one_after_the_other(
    config: RunConfig, precision: str, cuda_graphs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_deterministic()
    machine = set_up_machine("cuda", precision)
    config = config.model_copy(update={"cuda_graphs": cuda_graphs})
    images = batches(STEPS)
    beside, _ = trained(config, machine, images)
    monkeypatch.setattr(nicegan_phases, "both_ways", lambda one, other: one() | other())
    alone, _ = trained(config, machine, images)
    assert_equal(beside, alone)
