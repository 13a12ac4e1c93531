"""Numbers that go wrong are noticed in their step, before they reach the weights, and a run can go round them."""

import json
from pathlib import Path

import pytest
import torch
from rich.console import Console
from tests.conftest import TINY

from nicegan.device import Machine
from nicegan.distributed import ProcessGroup
from nicegan.errors import TrainingError
from nicegan.methods.nicegan.build import build_method
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.shapes import Batch
from nicegan.training.collapse import NUM_STEPS, CollapseWatch
from nicegan.training.finite import FiniteCheck, NotFinite
from nicegan.training.readback import Check, DelayedReadback
from nicegan.training.state import new_state
from nicegan.training.step import Stepper
from nicegan.training.stop import StopVote
from nicegan.training.trainer import Run

CPU = Machine(torch.device("cpu"), "float32")


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_wrong_image_is_noticed_before_the_weights_see_it(tiny_run: RunConfig, batch: Batch, wrong: float) -> None:
    state = new_state(tiny_run, CPU.device)
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    batch.a[0, 0, 3, 3] = wrong
    with pytest.raises(NotFinite, match="step 1: discriminator/") as caught:
        Stepper(state, tiny_run, CPU)(batch)
    assert caught.value.step == 1
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.tensors().items())


def test_a_wrong_gradient_behind_finite_losses_is_named(tiny_run: RunConfig, batch: Batch) -> None:
    state = new_state(tiny_run, CPU.device)
    weight = state.method.domains[0].generator.exit.weight
    weight.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(NotFinite) as caught:
        Stepper(state, tiny_run, CPU)(batch)
    (name,) = caught.value.where
    assert name.startswith("gradient of generator/")
    assert name.endswith("exit.weight")


def test_a_number_still_on_its_way_is_read_before_anything_is_saved() -> None:
    finite = FiniteCheck()
    finite.readback.pending = [
        Check(3, ["generator/A/cycle", "generator/A/local"], torch.tensor([1.0, 2.0]), None),
        Check(4, ["generator/A/cycle", "generator/A/local"], torch.tensor([1.0, torch.inf]), None),
    ]
    with pytest.raises(NotFinite, match="step 4: generator/A/local is not a finite number"):
        finite.settle()
    finite.settle()


class Arrived:
    """A GPU's number that has arrived."""

    def synchronize(self) -> None:
        pass


def test_a_gpus_numbers_are_read_two_steps_late_whenever_they_arrive() -> None:
    readback = DelayedReadback()
    readback.pending = [Check(step, ["x"], torch.tensor([float(step)]), Arrived()) for step in (1, 2, 3)]  # pyright: ignore
    assert [check.step for check in readback.read(2)] == []
    assert [check.step for check in readback.read(4)] == [1, 2]
    assert [check.step for check in readback.rest()] == [3]
    readback.post(5, ["y"], torch.tensor([5.0]))
    assert [check.step for check in readback.read(5)] == [5], "a CPU's at once"


class Pair(ProcessGroup):
    """Two processes, of which the other was sent a signal at step 3."""

    size = 2
    step = 0

    def all_reduce_max(self, tensor: torch.Tensor) -> torch.Tensor:
        self.step += 1
        return torch.maximum(tensor, torch.tensor(15 if self.step == 3 else 0))


def test_one_process_that_is_asked_to_stop_takes_the_other_along() -> None:
    vote = StopVote(Pair(), torch.device("cpu"))
    assert [vote.take(step, None) for step in (1, 2, 3, 4)] == [0, 0, 15, 15]
    alone = StopVote(ProcessGroup(), torch.device("cpu"))
    assert [alone.take(1, None), alone.take(2, 2)] == [0, 2]


def test_votes_of_steps_that_are_undone_are_forgotten(
    tiny_run: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_run.model_copy(update={"on_nan": "rollback"})
    with Run(config, tmp_path / "run", Console(quiet=True)) as run:
        poisoned(run, 5, monkeypatch, times=1)
        run.vote.readback.pending = [Check(9, ["vote"], torch.tensor([15]), Arrived())]  # pyright: ignore
        run.train()
    assert run.vote.readback.pending == []


def poisoned(run: Run, step: int, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """The batch before `step` is not a number, for the first `times` orders of the images."""
    draw = run.data.batch

    def batch(drawn: int, device: torch.device, detour: int = 0) -> Batch:
        images = draw(drawn, device, detour)
        return Batch(images.a * float("nan"), images.b) if drawn == step - 1 and detour < times else images

    monkeypatch.setattr(run.data, "batch", batch)


def test_stopping_says_what_where_and_keeps_the_checkpoint(
    tiny_run: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Run(tiny_run, tmp_path / "run", Console(quiet=True)) as run:
        poisoned(run, 5, monkeypatch, times=9)
        with pytest.raises(TrainingError, match=r"step 5: .*the last checkpoint is .*000000003.*--on-nan rollback"):
            run.train()
    facts = json.loads((tmp_path / "run/problem.json").read_text())
    assert facts["step"] == 5
    assert Path(facts["files"]["A"][0]).parent.name == "trainA"
    assert json.loads((tmp_path / "run/latest").read_text())["step"] == 3


@pytest.mark.long
@pytest.mark.parametrize("at", [2, 5], ids=["before any checkpoint", "after one"])
def test_rolling_back_goes_on_with_other_images(
    tiny_run: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    config = tiny_run.model_copy(update={"on_nan": "rollback"})
    with Run(config, tmp_path / "run", Console(quiet=True)) as run:
        poisoned(run, at, monkeypatch, times=2)
        assert run.train().exit_code == 0
        assert run.state.rollbacks == 2
        assert run.data.names(4, 0) != run.data.names(4, 2)
    lines = [line["step"] for line in RunFolder(tmp_path / "run").read_metrics() if "learning_rate" in line]
    assert lines == [1, 2, 3, 4, 5, 6]
    with Run(config, tmp_path / "run", Console(quiet=True)) as again:
        assert again.state.rollbacks == 2, "a resumed run goes on with the images it had"


@pytest.mark.long
def test_it_does_not_go_back_for_ever(tiny_run: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_run.model_copy(update={"on_nan": "rollback", "max_rollbacks": 2})
    for attempt in range(2):
        with Run(config, tmp_path / "run", Console(quiet=True)) as run:
            if attempt == 1:
                assert (run.state.step, run.state.rollbacks) == (3, 2), "a resume does not forget"
            poisoned(run, 5, monkeypatch, times=9)
            with pytest.raises(TrainingError, match="step 5.*It went back 2 times already"):
                run.train()
    assert json.loads((tmp_path / "run/problem.json").read_text())["rollbacks"] == 2


def test_a_message_names_a_few_terms() -> None:
    assert str(NotFinite(7, list("abcde"))) == "step 7: a, b, c and 2 more are no finite numbers"


def test_a_collapsed_discriminator_is_mentioned_once_and_a_working_one_never() -> None:
    phases = build_method(NiceGAN(network=TINY), (64, 64)).phases
    watch, streaks, well = CollapseWatch(phases), {}, {}
    values = {"discriminator/A/cam": 0.501, "generator/A/cycle": 0.5}
    warnings = [watch.look(values, streaks) for _ in range(3 * NUM_STEPS)]
    assert [warning for warning in warnings if warning] == [warnings[NUM_STEPS - 1]]
    assert "discriminator/A/cam has stayed at 0.5" in str(warnings[NUM_STEPS - 1])
    assert not any(watch.look({"discriminator/A/cam": 0.5 if i % 50 else 0.4}, well) for i in range(3 * NUM_STEPS))
