"""What makes a checkpoint the best: by which score, and named how."""

import json
from pathlib import Path

import pytest
import torch
from rich.console import Console
from tests.feature_networks import Means, NotANumber, write_network

from nicegan.errors import DataError
from nicegan.metrics.frechet import frechet_distance
from nicegan.recipes import recipe
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.shapes import Batch
from nicegan.training.checkpoint_score import build_checkpoint_score
from nicegan.training.trainer import train

CPU = torch.device("cpu")


@pytest.fixture
def scored() -> Batch:
    return Batch(torch.rand(6, 3, 32, 32) - 1, torch.rand(6, 3, 32, 32))


@pytest.fixture
def features(tmp_path: Path) -> Path:
    return write_network(tmp_path / "means.pt")


def test_without_features_it_needs_no_weights(tiny_run: RunConfig, scored: Batch) -> None:
    assert build_checkpoint_score(tiny_run, scored, CPU).yardstick.name == "sliced_wasserstein"


@pytest.mark.parametrize(
    ("score", "name", "words"),
    [("auto", "kernel_distance", "KD on means"), ("frechet", "frechet_distance", "FD on means")],
)
def test_with_features_it_says_on_which(
    tiny_run: RunConfig, scored: Batch, features: Path, score: str, name: str, words: str
) -> None:
    config = tiny_run.model_copy(update={"features": str(features), "score": score})
    of_features = build_checkpoint_score(config, scored, CPU)
    assert of_features.yardstick == (name, words)
    assert of_features.untranslated > 0.01
    assert abs(of_features.distance(scored.b, "B")) < of_features.untranslated / 10


def test_a_feature_distance_is_that_of_the_images_in_0_to_255(
    tiny_run: RunConfig, scored: Batch, features: Path
) -> None:
    config = tiny_run.model_copy(update={"features": str(features), "score": "frechet"})
    rows = [Means()(((side + 1) * 127.5).round()) for side in scored]
    assert build_checkpoint_score(config, scored, CPU).distance(scored.a, "B") == pytest.approx(
        frechet_distance(rows[1], rows[0])
    )


def test_a_network_that_does_not_do_is_refused_before_training(
    tiny_run: RunConfig, scored: Batch, tmp_path: Path
) -> None:
    config = tiny_run.model_copy(update={"features": str(write_network(tmp_path / "bad.pt", NotANumber()))})
    with pytest.raises(DataError, match="bad gives NaN"):
        build_checkpoint_score(config, scored, CPU)
    with pytest.raises(Exception, match="score kernel compares features"):
        recipe("nicegan-tiny", score="kernel")


def test_a_run_keeps_the_best_by_the_chosen_score(tiny_run: RunConfig, features: Path, tmp_path: Path) -> None:
    config = tiny_run.model_copy(update={"features": str(features)})
    train(config, tmp_path / "run", Console(quiet=True))
    best = json.loads((tmp_path / "run/best").read_text())
    logged = RunFolder(tmp_path / "run").read_metrics()
    scores = {line["step"]: line["score/kernel_distance"] for line in logged if "score/kernel_distance" in line}
    assert set(scores) == {3, 6}
    assert best["score"] == scores[best["step"]] == min(scores.values())
    assert best["why"] == "smallest KD on means of translated test images"
