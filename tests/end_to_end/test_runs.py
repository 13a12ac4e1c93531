"""Whole runs, as a user makes them: trained, interrupted, resumed, translated."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from tests.conftest import write_images
from tests.tars import write_tar

import nicegan
from nicegan.data.folders import read_image
from nicegan.model_file import load_model
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.training.state import TrainingState

NETWORK = ["--network.base-channels", "4", "--network.blocks", "1"]
TINY = ["--recipe", "nicegan-tiny", *NETWORK, "--image-size", "48", "--device", "cpu", "--log-every", "1"]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "nicegan", *map(str, arguments)]


ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def nicegan_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, env=ONE_THREAD)


COST = {"images_per_second", "memory_bytes"}


def timeless(run: Path) -> list[dict[str, float]]:
    """The metrics without what a clock says."""
    lines = RunFolder(run).read_metrics()
    return [{name: value for name, value in line.items() if name not in COST} for line in lines]


def assert_same_checkpoint(one: Path, other: Path) -> None:
    weights = [load_file(checkpoint / "weights.safetensors") for checkpoint in (one, other)]
    assert set(weights[0]) == set(weights[1])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    memories = [torch.load(checkpoint / "state.pt", weights_only=True) for checkpoint in (one, other)]
    optimizers, others = (memory["optimizers"] for memory in memories)
    assert set(optimizers) == set(others) == {"discriminator", "generator"}
    for phase, left in optimizers.items():
        for number, state in left["state"].items():
            assert all(torch.equal(value, others[phase]["state"][number][name]) for name, value in state.items())


def test_a_run_cut_anywhere_is_the_same_run(tiny_run: RunConfig, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    nicegan.train(tiny_run, whole)
    for stop in (1, 4, 6):  # the schedule is that of the whole run; only the end is moved
        halted(tiny_run, cut, stop)
    assert_same_checkpoint(whole / "checkpoints/000000006", cut / "checkpoints/000000006")
    assert timeless(whole) == timeless(cut)
    assert [line["step"] for line in timeless(whole) if "learning_rate" in line] == [1, 2, 3, 4, 5, 6]
    assert (whole / "best").read_text() == (cut / "best").read_text()
    models = [load_model(run / "model.safetensors") for run in (whole, cut)]
    assert models[0].spec == models[1].spec
    pairs = zip(*(model.networks.state_dict().values() for model in models), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_run_on_tar_shards_cut_anywhere_is_the_same_run(tiny_run: RunConfig, dataset: Path, tmp_path: Path) -> None:
    for folder in sorted(path for path in dataset.iterdir() if path.is_dir()):
        members = [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
        write_tar(dataset / f"{folder.name}-0.tar", members[::2])
        write_tar(dataset / f"{folder.name}-1.tar", members[1::2])
        shutil.rmtree(folder)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    nicegan.train(tiny_run, whole)
    for stop in (2, 6):
        halted(tiny_run, cut, stop)
    assert_same_checkpoint(whole / "checkpoints/000000006", cut / "checkpoints/000000006")
    assert timeless(whole) == timeless(cut)
    memory = torch.load(cut / "checkpoints/000000006/state.pt", weights_only=True)
    assert set(memory["position"]) == {"A", "B"}


def halted(config: RunConfig, out: Path, stop: int) -> None:
    """Train to step `stop` as if a signal had come then."""

    def ask_to_stop(state: TrainingState) -> None:
        if state.step == stop < config.steps:
            os.kill(os.getpid(), signal.SIGTERM)

    outcome = nicegan.train(config, out, Console(quiet=True), ask_to_stop)
    assert (outcome.step, outcome.exit_code) == (stop, 143 if stop < config.steps else 0)


def test_the_run_folder_holds_what_the_readme_promises(tiny_run: RunConfig, tmp_path: Path) -> None:
    run = tmp_path / "run"
    nicegan.train(tiny_run, run)
    names = {path.name for path in run.iterdir()}
    assert names == {
        "config.json", "metrics.jsonl", "samples", "tensorboard", "checkpoints", "latest", "best", "model.safetensors",
        ".lock"
    }  # fmt: skip
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["000000003", "000000006"]
    assert json.loads((run / "latest").read_text())["checkpoint"] == "checkpoints/000000006"
    best = json.loads((run / "best").read_text())
    scores = {
        line["step"]: line["score/sliced_wasserstein"] for line in timeless(run) if "score/no_translation" in line
    }
    assert best["score"] == scores[best["step"]] == min(scores.values())
    description = json.loads((run / "config.json").read_text())
    assert RunConfig.model_validate(description["config"]) == tiny_run.model_copy(update={"value_range": "full"})
    assert set(description["versions"]) == {"python", "nicegan", "torch", "numpy", "pillow"}
    assert nicegan.load(run, "cpu").spec.step == best["step"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_saved_and_resumed(dataset: Path, tmp_path: Path, number: signal.Signals) -> None:
    run = tmp_path / "run"
    arguments = ["train", dataset, *TINY, "--steps", "100000", "--out", run]
    process = subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, text=True, env=ONE_THREAD)
    wait_for(lambda: len(RunFolder(run).read_metrics()) >= 3, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert f"nicegan train --resume {run}\n" in err
    step = json.loads((run / "latest").read_text())["step"]
    assert step >= 3
    assert (run / "report.html").is_file()

    resumed = nicegan_command("train", "--resume", run, "--steps", step + 2)
    assert resumed.returncode == 0, resumed.stderr
    assert f"resuming at step {step}" in resumed.stderr
    assert json.loads((run / "latest").read_text())["step"] == step + 2
    assert [line["step"] for line in timeless(run) if "learning_rate" in line] == list(range(1, step + 3))


def wait_for(condition: object, process: subprocess.Popen[str]) -> None:
    for _ in range(600):
        if condition():  # pyright: ignore[reportCallIssue]
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    raise AssertionError("waited a minute in vain")


def test_train_then_translate_from_the_command_line(dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained = nicegan_command("train", dataset, *TINY, "--steps", "2", "--out", run)
    assert trained.returncode == 0, trained.stderr
    assert "Recipe nicegan-tiny on dataset, 2 of 2 steps" in (run / "report.html").read_text()
    write_images(tmp_path / "in", 2, size=(61, 45))
    for model in (run, run / "model.safetensors"):
        out = tmp_path / f"out_{model.name}"
        done = nicegan_command("translate", model, tmp_path / "in", "--to", "B", "--out", out, "--device", "cpu")
        assert done.returncode == 0, done.stderr
        assert [read_image(path).size for path in sorted(out.iterdir())] == [(61, 45)] * 2
    again = nicegan_command("train", dataset, *TINY, "--steps", "3", "--out", run)
    assert "resuming at step 2" in again.stderr
    other = nicegan_command("train", dataset, *TINY, "--steps", "3", "--seed", "1", "--out", run)
    assert other.returncode == 2
    assert "seed: 0 there, 1 asked for" in other.stderr


def test_two_bare_folders(dataset: Path, tmp_path: Path) -> None:
    done = nicegan_command(
        "train", "--domain-a", dataset / "trainA", "--domain-b", dataset / "trainB",
        *TINY, "--steps", "1", "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_the_demo_in_a_few_steps(tmp_path: Path) -> None:
    done = nicegan_command("demo", "--out", tmp_path / "demo", "--steps", "2")
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "demo" / "scores.json").read_text())
    assert [score["direction"] for score in scores] == ["day to night", "night to day"]
    report = (tmp_path / "demo" / "run" / "report.html").read_text()
    assert "Nearness to the truth" in report
    assert report.count("data:image/png;base64") >= 3
    assert "http" not in re.sub(r"base64,[^\"]*", "", report)  # needs nothing else
    assert (tmp_path / "demo" / "grid.png").is_file()
