"""The whole report: every section is there, and what cannot be made says why."""

import re
import shutil
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from tests.feature_networks import write_network

from nicegan.config import RunConfig
from nicegan.errors import ConfigError
from nicegan.model_file import load_model
from nicegan.recipes import report as report_module
from nicegan.recipes.checkpoints import Distance, _told_apart, standing_checkpoints
from nicegan.recipes.report import report
from nicegan.run_folder import RunFolder
from nicegan.training.judge import Judge
from nicegan.training.loop import Run


@pytest.fixture
def run(tiny_run: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six steps, of which the third is called the best."""
    scores = iter([1.0, 2.0])
    monkeypatch.setattr(Judge, "score", lambda judge, average: next(scores))
    Run(tiny_run, tmp_path / "run", Console(quiet=True)).train()
    return tmp_path / "run"


def test_the_last_checkpoint_as_a_model_has_its_averaged_weights(run: Path) -> None:
    with standing_checkpoints(RunFolder(run)) as models:
        assert list(models) == ["best", "last"]
        best, last = (load_model(path) for path in models.values())
        saved = load_file(run / "checkpoints/000000006/weights.safetensors")
        assert (best.card.step, last.card.step) == (3, 6)
        for name, tensor in last.paths.state_dict().items():
            assert torch.equal(tensor, saved[f"average.{name}"])
    assert not models["last"].exists()
    shutil.rmtree(run / "checkpoints/000000006")
    (run / "best").unlink()
    with standing_checkpoints(RunFolder(run)) as models:
        assert list(models) == ["first"]


@pytest.mark.parametrize("with_features", [False, True])
def test_every_section_is_there(
    run: Path, tmp_path: Path, with_features: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nicegan.recipes.checkpoints.NUM_HALVES", 2)
    features = str(write_network(tmp_path / "means.pt")) if with_features else None
    page = report(run, features=features, device="cpu").read_text()
    titles = re.findall("<h2>(.*?)</h2>", page)
    assert titles == ["Samples", "Curves", "Scores", "Latents", "Heatmaps", "Cost and origin", "Configuration"]
    assert "Not shown" not in page
    assert "best, step 3" in page or "FD" in page
    assert "GiB at the peak" in page
    assert "http" not in re.sub(r"base64,[^\"]*", "", page), "it needs nothing else"


def test_what_cannot_be_made_says_why_and_the_rest_stands(run: Path, dataset: Path) -> None:
    shutil.move(dataset, dataset.with_name("elsewhere"))
    page = report(run, device="cpu").read_text()
    assert page.count(f"Not shown: {dataset} is not a folder") == 3
    assert "Configuration" in page


def test_a_run_without_a_model_is_refused(tiny_run: RunConfig, tmp_path: Path) -> None:
    RunFolder(tmp_path / "run").claim(tiny_run, {"machine": "test"})
    with pytest.raises(ConfigError, match="holds no model yet"):
        report_module.report(tmp_path / "run")


def test_a_difference_within_its_interval_is_not_told_apart() -> None:
    spread = torch.tensor([0.0, 2.0, 4.0], dtype=torch.float64)
    best = (Distance(10, spread), Distance(10, spread))
    moved = (Distance(11, spread + torch.tensor([0.0, 1.0, 2.0])), Distance(11, spread + 1 + 0 * spread))
    told = _told_apart(best, moved)
    assert "A to B +1.0 ± 2.0 (not told apart)" in told, "the difference varies by 1 from half to half"
    assert "B to A +1.0 ± 0.0 (worse)" in told
