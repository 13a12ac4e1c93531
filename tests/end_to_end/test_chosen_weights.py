"""Weights of one's choice: to translate with any checkpoint of a run, and to begin another run with."""

from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

import nicegan
from nicegan.checkpoint import EMA_PREFIX
from nicegan.errors import CheckpointError
from nicegan.run_config import RunConfig
from nicegan.training.start import load_start
from nicegan.training.state import new_state

QUIET = Console(quiet=True)


@pytest.fixture
def run(tiny_run: RunConfig, tmp_path: Path) -> Path:
    config = tiny_run.model_copy(update={"steps": 3, "checkpoint_every": 1, "score_every": 1, "keep": 3})
    return nicegan.train(config, tmp_path / "run", QUIET).run


def test_every_checkpoint_is_a_model(run: Path) -> None:
    image = torch.rand(1, 3, 64, 64)
    of_step = {step: nicegan.load(f"{run}@{step}", "cpu") for step in (1, 2, 3)}
    assert [translator.spec.step for translator in of_step.values()] == [1, 2, 3]
    fakes = [translator.translate(image, "B") for translator in of_step.values()]
    assert not torch.equal(fakes[0], fakes[2])
    by_path = nicegan.load(run / "checkpoints" / "000000001", "cpu")
    assert torch.equal(by_path.translate(image, "B"), fakes[0])
    assert nicegan.load(f"{run}@latest", "cpu").spec.step == 3
    best = nicegan.load(f"{run}@best", "cpu")
    assert torch.equal(best.translate(image, "B"), nicegan.load(run, "cpu").translate(image, "B"))
    assert torch.equal(nicegan.load(run / "best", "cpu").translate(image, "B"), best.translate(image, "B"))
    with pytest.raises(CheckpointError, match=r"no checkpoint '7'; there is: 1, 2, 3 \(also best and latest\)"):
        nicegan.load(f"{run}@7", "cpu")
    with pytest.raises(CheckpointError, match="is not a run folder"):
        nicegan.load(f"{run}-other@7", "cpu")


def test_a_run_begins_with_the_weights_of_another(run: Path, tiny_run: RunConfig, tmp_path: Path) -> None:
    rate = {"optimizer": tiny_run.optimizer.model_copy(update={"learning_rate": 1e-12, "weight_decay": 0.0})}
    slow = tiny_run.method.model_copy(update=rate)
    changes = {"method": slow, "steps": 1, "start_from": Path(f"{run}@3"), "seed": 9}
    config = tiny_run.model_copy(update=changes)
    outcome = nicegan.train(config, tmp_path / "tuned", QUIET)
    assert outcome.step == 1, "the count of steps begins anew"
    before = load_file(run / "checkpoints" / "000000003" / "weights.safetensors")
    after = load_file(outcome.run / "checkpoints" / "000000001" / "weights.safetensors")
    assert before.keys() == after.keys()
    learned = [name for name in before if not name.startswith(EMA_PREFIX) and not name.endswith((".u", ".v"))]
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in learned)
    assert nicegan.train(config.model_copy(update={"steps": 2}), outcome.run, QUIET).step == 2


def test_a_model_brings_what_translates_and_the_rest_begins_anew(
    run: Path, tiny_run: RunConfig, tmp_path: Path
) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes((run / "model.safetensors").read_bytes())
    config = tiny_run.model_copy(update={"steps": 1, "start_from": model, "seed": 9, "average_decay": 0.0})
    said = Console(record=True, quiet=False, file=(tmp_path / "said").open("w"), width=300)
    nicegan.train(config, tmp_path / "tuned", said)
    assert "which holds what translates: the rest begins anew" in said.export_text()
    said.file.close()


def test_other_networks_are_refused_by_the_setting_that_differs(run: Path, tiny_run: RunConfig, tmp_path: Path) -> None:
    wider = tiny_run.method.model_copy(update={"network": tiny_run.network.model_copy(update={"blocks": 3})})
    config = tiny_run.model_copy(update={"method": wider, "start_from": run})
    with pytest.raises(CheckpointError, match=r"of other networks: network\.blocks 1 there, 3 asked for"):
        nicegan.train(config, tmp_path / "tuned", QUIET)


def test_averaged_weights_are_taken_over_too(run: Path, tiny_run: RunConfig) -> None:
    state = new_state(tiny_run.model_copy(update={"seed": 9}), torch.device("cpu"))
    load_start(state, tiny_run, Path(f"{run}@2"))
    saved = load_file(run / "checkpoints" / "000000002" / "weights.safetensors")
    tensors = state.tensors()
    assert any(name.startswith(EMA_PREFIX) for name in saved)
    assert all(torch.equal(saved[name], tensors[name]) for name in saved)
