"""Scores, the best checkpoint, and stopping when nothing gets better."""

import io
import json
import signal
from pathlib import Path

import pytest
from rich.console import Console
from tests.conftest import write_images

import nicegan
from nicegan.model_file import read_spec
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.training.checkpoint_score import CheckpointScore
from nicegan.training.state import TrainingState
from nicegan.training.trainer import Run

SCORES = [9.0, 5.0, 7.0, 5.0, 6.0, 4.0]  # of steps 1, 2 ...


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """These scores, one a step, also over a resume."""
    scores = iter(SCORES)
    monkeypatch.setattr(CheckpointScore, "score", lambda score, networks: next(scores))


@pytest.fixture
def scored_run(tiny_run: RunConfig) -> RunConfig:
    return tiny_run.model_copy(update={"score_every": 1, "checkpoint_every": 100, "sample_every": 100, "keep": 1})


def trained(config: RunConfig, out: Path) -> Run:
    with Run(config, out, Console(quiet=True)) as run:
        run.train()
    return run


@pytest.mark.usefixtures("scripted")
def test_the_best_checkpoint_is_kept_wherever_it_falls_and_so_is_the_last(
    scored_run: RunConfig, tmp_path: Path
) -> None:
    config = scored_run.model_copy(update={"steps": 5})
    trained(config, tmp_path / "run")
    best = json.loads((tmp_path / "run/best").read_text())
    assert (best["step"], best["score"]) == (2, 5.0)
    assert read_spec(tmp_path / "run/model.safetensors").step == 2
    assert sorted(path.name for path in (tmp_path / "run/checkpoints").iterdir()) == ["000000002", "000000005"]
    logged = [line["score/sliced_wasserstein"] for line in RunFolder(tmp_path / "run").read_metrics() if len(line) == 3]
    assert logged == SCORES[:5]


@pytest.mark.usefixtures("scripted")
def test_patience_ends_a_run_and_outlives_a_resume(scored_run: RunConfig, tmp_path: Path) -> None:
    config = scored_run.model_copy(update={"patience": 3})
    run = trained(config, tmp_path / "run")
    assert (run.state.step, run.state.num_worse) == (5, 3), "an equal score is no better"
    assert json.loads((tmp_path / "run/latest").read_text())["step"] == 5
    assert trained(config, tmp_path / "run").state.step == 5, "an exhausted run stays where it is"
    patient = trained(config.model_copy(update={"patience": 0}), tmp_path / "run")
    assert (patient.state.step, patient.state.best) == (6, type(patient.state.best)(6, 4.0))  # pyright: ignore


@pytest.mark.usefixtures("scripted")
def test_patience_is_counted_across_a_cut(scored_run: RunConfig, tmp_path: Path) -> None:
    """Cut after step 4, where two scores in a row were no better."""
    config = scored_run.model_copy(update={"patience": 3})
    outcome = nicegan.train(
        config,
        tmp_path / "run",
        Console(quiet=True),
        lambda state: signal.raise_signal(signal.SIGTERM) if state.step == 4 else None,
    )
    assert outcome.step == 4
    assert trained(config, tmp_path / "run").state.step == 5


def test_until_there_is_a_best_the_model_is_the_newest(tiny_run: RunConfig, tmp_path: Path) -> None:
    config = tiny_run.model_copy(update={"score_every": 100, "checkpoint_every": 2})
    model, seen = tmp_path / "run/model.safetensors", {}

    def read_step(state: TrainingState) -> None:
        seen[state.step] = read_spec(model).step if model.is_file() else None

    nicegan.train(config, tmp_path / "run", Console(quiet=True), read_step)
    assert [seen[step] for step in (1, 2, 3, 4, 5)] == [None, 2, 2, 4, 4]


@pytest.mark.usefixtures("scripted")
def test_the_best_is_told_and_so_is_that_the_images_are_others(scored_run: RunConfig, tmp_path: Path) -> None:
    def told(steps: int) -> str:
        console = Console(record=True, file=io.StringIO(), width=200)
        nicegan.train(scored_run.model_copy(update={"steps": steps}), tmp_path / "run", console)
        return console.export_text()

    assert scored_run.data is not None
    assert "best: step 2, sliced Wasserstein distance 5 against" in told(3)
    assert "warning" not in told(4)
    write_images(scored_run.data / "trainA" / "more", 1)
    assert "warning: the training images are not those of the checkpoint" in told(5)
