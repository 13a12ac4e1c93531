"""The whole report: every section is there, and what cannot be made says why."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from tests.conftest import write_images
from tests.feature_networks import write_network

from nicegan.errors import ConfigError
from nicegan.model_file import load_model
from nicegan.report import full as report_module
from nicegan.report.checkpoints import _significance, standing_checkpoints
from nicegan.report.distances import Distance
from nicegan.report.full import report
from nicegan.report.run import refresh_report, write_report
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.training.checkpoint_score import CheckpointScore
from nicegan.training.trainer import Run

FACTS = ["Cost and origin", "Configuration"]


@pytest.fixture
def run(tiny_run: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six steps, of which the third is called the best."""
    scores = iter([1.0, 2.0])
    monkeypatch.setattr(CheckpointScore, "score", lambda score, networks: next(scores))
    with Run(tiny_run, tmp_path / "run", Console(quiet=True)) as run:
        run.train()
    return tmp_path / "run"


def test_the_last_checkpoint_as_a_model_has_its_averaged_weights(run: Path) -> None:
    with standing_checkpoints(RunFolder(run)) as models:
        assert list(models) == ["best", "last"]
        best, last = (load_model(path) for path in models.values())
        saved = load_file(run / "checkpoints/000000006/weights.safetensors")
        assert (best.spec.step, last.spec.step) == (3, 6)
        for name, tensor in last.networks.state_dict().items():
            assert torch.equal(tensor, saved[f"average.{name}"])
    assert not models["last"].exists()
    shutil.rmtree(run / "checkpoints/000000006")
    (run / "best").unlink()
    with standing_checkpoints(RunFolder(run)) as models:
        assert list(models) == ["last"]


@pytest.mark.parametrize("with_features", [False, True])
def test_every_section_is_there(
    run: Path, tmp_path: Path, with_features: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nicegan.report.distances.NUM_HALVES", 2)
    features = str(write_network(tmp_path / "means.pt")) if with_features else None
    page = report(run, features=features, device="cpu").read_text()
    titles = re.findall("<h2>(.*?)</h2>", page)
    assert titles == ["What we see", "Samples", "Curves", "Scores", "Latents", "Heatmaps", *FACTS]
    assert "Not shown" not in page
    assert "best, step 3" in page or "FD" in page
    assert "GiB at the peak" in page
    assert "http" not in re.sub(r"base64,[^\"]*", "", page), "it needs nothing else"


def test_of_few_images_nothing_is_told_for_sure(run: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nicegan.report.distances.NUM_HALVES", 2)
    monkeypatch.setattr("nicegan.report.distances.sliced_wasserstein", lambda drawn, real: drawn.mean().item())
    page = scores_of(report(run, device="cpu").read_text())
    assert "±" not in page
    assert "too few for intervals, which take 20 of each" in page
    assert page.count("(too few images to tell)") == 2
    assert "worse" not in page
    assert "better" not in page.replace("less is better", "")
    for seed, name in enumerate(("testA", "testB")):
        write_images(dataset / name, 20, seed=seed)
    page = scores_of(report(run, device="cpu").read_text())
    assert page.count("±") == 8
    assert "95 % intervals" in page
    assert "too few" not in page


def scores_of(page: str) -> str:
    return page.partition("<h2>Scores</h2>")[2].partition("</section>")[0]


def test_what_a_run_folder_leaves_out_is_unknown(run: Path) -> None:
    folder = RunFolder(run)
    folder.config.write_text(json.dumps({"config": {"data": str(folder.read_config().data)}}))
    for pointer in (folder.latest, folder.best):
        pointer.write_text(json.dumps({"checkpoint": json.loads(pointer.read_text())["checkpoint"]}))
    page = write_report(run).read_text()
    for row in ("best checkpoint</td><td class=number>step 000000003: unknown", "machine</td><td class=number>unknown"):
        assert row in page
    folder.latest.write_text(json.dumps({"checkpoint": "checkpoints"}))
    assert "<h2>Scores</h2>" in report(run, device="cpu").read_text()
    folder.config.write_text(json.dumps({"config": {}, "resumed": [{"versions": "new"}]}))
    with pytest.raises(
        ConfigError, match=r"config\.json cannot be read: resumed\.0\.versions: .*; put a copy of it back"
    ):
        write_report(run)


def test_a_report_is_not_made_again_unless_the_run_went_on(run: Path) -> None:
    page = run / "report.html"
    assert refresh_report(run) == page
    assert f"nicegan report {run}" in page.read_text()
    page.write_text("the whole report")
    refresh_report(run)
    assert page.read_text() == "the whole report"
    later = page.stat().st_mtime_ns + 1
    os.utime(run / "latest", ns=(later, later))
    refresh_report(run)
    assert "Made by" in page.read_text()


def test_what_cannot_be_made_says_why_and_the_rest_stands(run: Path, dataset: Path) -> None:
    shutil.move(dataset, dataset.with_name("elsewhere"))
    page = report(run, device="cpu").read_text()
    assert page.count(f"Not shown: {dataset} is not a folder") == 3
    assert f"test images worse ({dataset} is not a folder" in page, "what could not be measured"
    assert "Configuration" in page


def test_a_run_without_a_model_is_refused(tiny_run: RunConfig, tmp_path: Path) -> None:
    RunFolder(tmp_path / "run").claim(tiny_run, {"machine": "test"})
    with pytest.raises(ConfigError, match="holds no model yet"):
        report_module.report(tmp_path / "run")


def test_a_difference_within_its_interval_is_not_significant() -> None:
    spread = torch.tensor([0.0, 2.0, 4.0], dtype=torch.float64)
    best = (Distance(10, spread), Distance(10, spread))
    moved = (Distance(11, spread + torch.tensor([0.0, 1.0, 2.0])), Distance(11, spread + 1 + 0 * spread))
    assert Distance(10, None).text() == "10.0"
    told = _significance(best, moved)
    assert "A to B +1.0 ± 2.0 (not significant)" in told, "the difference varies by 1 from half to half"
    assert "B to A +1.0 ± 0.0 (worse)" in told
