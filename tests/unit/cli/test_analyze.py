"""nicegan analyze, as a user runs it."""

import json
from pathlib import Path

import pytest
from tests.unit.analysis.conftest import write_run
from tests.unit.cli.test_commands import run

from nicegan.run_config import RunConfig


def test_latents_of_two_models(
    tmp_path: Path, dataset: Path, tiny_run: RunConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [str(tmp_path / name) for name in ("one", "two")]
    for place in places:
        write_run(Path(place), tiny_run)
    out = tmp_path / "deep" / "out"
    code, shown, said = run(["analyze", "latents", *places, "--data", str(dataset), "--out", str(out)], capsys)
    assert code == 0, said
    assert {path.name for path in out.iterdir()} == {"latents.png", "neighbours.png", "latents.json"}
    assert "perplexity 1.7 in place of 30" in said
    assert shown.count("NICE") == 2
    record = json.loads((out / "latents.json").read_text())
    assert [model["model"] for model in record["models"]] == places


def test_heatmaps_of_a_run_and_of_a_file(
    tmp_path: Path, dataset: Path, tiny_run: RunConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "run", tiny_run)
    arguments = ["--domain-a", str(dataset / "testA"), "--domain-b", str(dataset / "testB"), "--count", "1"]
    out = tmp_path / "out"
    code, _, said = run(["analyze", "heatmaps", str(tmp_path / "run"), *arguments, "--out", str(out)], capsys)
    assert code == 0, said
    assert "only the attention" not in said
    assert {path.name for path in out.iterdir()} == {"heatmaps", "heatmaps_A.png", "heatmaps_B.png"}
    assert (out / "heatmaps" / "B" / "image_000_global_logits.png").is_file()
    model = str(tmp_path / "run" / "model.safetensors")
    code, _, said = run(["analyze", "heatmaps", model, *arguments, "--out", str(tmp_path / "file")], capsys)
    assert code == 0, said
    assert "holds no discriminators (a run folder's checkpoint does): only the attention is shown" in said
    assert [path.name for path in (tmp_path / "file" / "heatmaps" / "A").iterdir()] == ["image_000.png"]
