"""The benchmark of picture quality in its smallest form, and its intervals."""

import json
from pathlib import Path

import pytest
from benchmarks import quality
from tests.feature_networks import write_network

from nicegan.errors import ConfigError

NETWORK = "network.base_channels=4 network.blocks=1 crop_margin=8"


def test_sides_are_trained_and_compared_at_equal_steps_and_minutes(dataset: Path, tmp_path: Path) -> None:
    arguments = [
        str(dataset), "--features", str(write_network(tmp_path / "means.pt")), "--budget", "2", "--seeds", "1",
        "--out", str(tmp_path / "out"), "--side", f"published=nicegan-tiny {NETWORK}", "--device", "cpu",
        "--side", f"nearest=nicegan-tiny {NETWORK} network.upsample=nearest",
    ]  # fmt: skip
    assert quality.main(arguments) == 0
    words = (tmp_path / "out" / "quality.md").read_text()
    assert "at equal steps" in words
    assert "at equal minutes" in words
    assert words.count("| nearest | 1 | ") == 2
    assert "| no translation |" in words
    curves = json.loads((tmp_path / "out" / "quality.json").read_text())["nearest"]["curves"]
    assert [steps for steps, _ in curves] == [[1, 2]]
    assert (tmp_path / "out" / "quality.png").stat().st_size > 1000


def test_intervals_are_student_s() -> None:
    assert quality.with_interval([1.0, 2.0, 3.0]) == "2.000 ± 2.484"  # t(2) = 4.3027, / sqrt 3
    assert quality.with_interval([1.5]) == "1.500"


def test_scores_between_two_steps_lie_between_them() -> None:
    side = quality.Side("one", [([0, 10], [2.0, 1.0]), ([0, 20], [4.0, 2.0])], 0.5)
    assert side.at_step(5) == [1.5, 3.5]
    assert side.last_step() == 10


@pytest.mark.parametrize("text", ["nicegan-tiny", "=nicegan-tiny", "a=nicegan-tiny upsample", "a=nothing", "a="])
def test_sides_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError):
        quality.parse_side(text, {})
