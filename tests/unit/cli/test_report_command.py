"""nicegan report and what nicegan train leaves of it, as a user runs them."""

import json
from pathlib import Path

import pytest
from tests.unit.analysis.conftest import write_run
from tests.unit.cli.test_commands import QUICK, run

from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder

SMALL = [*QUICK, "--recipe", "nicegan-tiny", "--crop-margin", "8"]


def test_training_does_not_lose_the_whole_report(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert run(["train", str(dataset), "--out", str(out), *SMALL], capsys)[0] == 0
    page = out / "report.html"
    assert "Made by: nicegan report" in page.read_text()
    assert run(["report", str(out), "--device", "cpu"], capsys)[0] == 0
    whole = page.read_text()
    assert "<h2>Heatmaps</h2>" in whole
    code, _, err = run(["train", "--resume", str(out)], capsys)
    assert code == 0, err
    assert page.read_text() == whole
    code, _, err = run(["train", "--resume", str(out), "--steps", "2"], capsys)
    assert f"with scores, latents and heatmaps: nicegan report {out}" in err
    assert "2 of 2 steps" in page.read_text()


@pytest.mark.parametrize("command", [["report"], ["train", "--resume"]])
def test_a_config_of_wrong_types_is_one_line(
    command: list[str], tiny_run: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "run", tiny_run)
    folder = RunFolder(tmp_path / "run")
    description = {**folder.read_description(), "machine": ["a", "b"]}
    folder.config.write_text(json.dumps(description))
    code, out, err = run([*command, str(folder.root)], capsys)
    assert code == 2
    assert "config.json cannot be read: machine: Input should be a valid string" in err.splitlines()[-1]
    assert "Traceback" not in out + err


def test_features_that_do_not_do_end_the_command_and_leave_the_report(
    tiny_run: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "run", tiny_run)
    page = tmp_path / "run/report.html"
    page.write_text("whole")
    (tmp_path / "typo.pt").write_bytes(b"x")
    for features in ("typo.pt", "nowhere.pt"):
        code, out, err = run(["report", str(tmp_path / "run"), "--features", str(tmp_path / features)], capsys)
        assert code == 2
        assert features in err.splitlines()[-1]
        assert "Traceback" not in out + err
    assert page.read_text() == "whole"
