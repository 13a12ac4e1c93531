"""A training process killed at random moments, many of them while it saves, goes on as if nothing had been.

NICEGAN_KILLS says how often (`make test-faults`: 30), NICEGAN_KILL_SEED at which moments.
"""

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from tests.end_to_end.test_runs import ONE_THREAD, TINY, assert_same_checkpoint, command, timeless

from nicegan.checkpoint import pointed_at
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.training.trainer import train

NUM_KILLS = int(os.environ.get("NICEGAN_KILLS", "2"))
SEED = int(os.environ.get("NICEGAN_KILL_SEED", "0"))
MOST_STEPS = 5  # between two kills
STEPS = (MOST_STEPS + 3) * NUM_KILLS + 10
SETTINGS = ["--steps", STEPS, "--checkpoint-every", "2", "--sample-every", "30", "--score-every", "4", "--keep", "2"]


def start(dataset: Path, run: Path) -> subprocess.Popen[str]:
    arguments = command("train", dataset, *TINY, *SETTINGS, "--out", run)
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=ONE_THREAD)


def finish(dataset: Path, run: Path) -> None:
    process = start(dataset, run)
    _, err = process.communicate(timeout=1200)
    assert process.returncode == 0, err


def is_saving(run: Path) -> bool:
    """Whether a checkpoint, a pointer or the model lies there unfinished."""
    try:
        return any(name.startswith(".") for folder in (run, run / "checkpoints") for name in os.listdir(folder))
    except FileNotFoundError:
        return False


def last_step(run: Path) -> int:
    """Of the metrics."""
    lines = RunFolder(run).read_metrics()
    return int(lines[-1]["step"]) if lines else 0


def kill_somewhere(process: subprocess.Popen[str], run: Path, moment: random.Random, *, saving: bool) -> bool:
    """Kill the process a few steps on, while it saves or at any moment; whether a save was hit."""
    target, delay = last_step(run) + moment.randint(0, MOST_STEPS), moment.uniform(0, 0.1)
    deadline = time.monotonic() + 300
    while process.poll() is None and (last_step(run) < target or (saving and not is_saving(run))):
        assert time.monotonic() < deadline
        time.sleep(0.0005)
    if not saving:
        time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    _, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, f"the run ended before it was killed: {err}"
    return is_saving(run)


def assert_readable(checkpoint: Path) -> None:
    load_file(checkpoint / "weights.safetensors")
    assert torch.load(checkpoint / "state.pt", weights_only=True)["step"] == int(checkpoint.name)


def test_killed_anywhere_it_is_the_same_run(dataset: Path, tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "killed"
    finish(dataset, whole)
    moment = random.Random(SEED)
    hits = 0
    for number in range(NUM_KILLS):
        process = start(dataset, run)
        hits += kill_somewhere(process, run, moment, saving=number % 2 == 0)
        if (run / "latest").exists():
            checkpoint = pointed_at(run / "latest")
            assert checkpoint is not None, "latest points at a whole checkpoint"
            assert_readable(checkpoint)
        for checkpoint in (run / "checkpoints").glob("[0-9]*"):
            assert_readable(checkpoint)
    finish(dataset, run)
    assert hits >= NUM_KILLS // 4, "some kills hit a save"
    last = f"checkpoints/{STEPS:09d}"
    assert_same_checkpoint(whole / last, run / last)
    assert timeless(whole) == timeless(run)
    assert (whole / "best").read_text() == (run / "best").read_text()
    assert not [path for path in (run / "checkpoints").iterdir() if path.name.startswith(".")], "leftovers are removed"
    assert len(list((run / "checkpoints").iterdir())) <= 3


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system in memory."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    with mounted(tmp_path / "small", "size=6m") as folder:
        yield folder


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody may write in, root included."""
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        yield tmp_path / "locked"
    else:
        with mounted(tmp_path / "locked", "ro") as folder:
            yield folder


@pytest.mark.long
def test_a_full_disk_stops_with_a_message_and_the_checkpoint_before_is_whole(dataset: Path, small_disk: Path) -> None:
    run = small_disk / "run"
    process = start(dataset, run)
    while process.poll() is None and pointed_at(run / "latest") is None:
        time.sleep(0.01)
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    (small_disk / "ballast").write_bytes(b"0" * max(0, free - 100_000))
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    assert "Traceback" not in err
    assert "No space left on device" in err.splitlines()[-1]
    checkpoint = pointed_at(run / "latest")
    assert checkpoint is not None
    assert_readable(checkpoint)
    (small_disk / "ballast").unlink()
    resumed = subprocess.run(
        command("train", "--resume", run, "--steps", str(int(checkpoint.name) + 2)),
        capture_output=True,
        text=True,
        env=ONE_THREAD,
        check=False,
    )
    assert resumed.returncode == 0, resumed.stderr


@pytest.mark.long
def test_a_vanished_folder_stops_with_a_message(dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(dataset, run)
    while process.poll() is None and pointed_at(run / "latest") is None:
        time.sleep(0.01)
    run.rename(tmp_path / "elsewhere")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    assert f"the run folder {run} has vanished; put it back" in err.splitlines()[-1]
    assert not run.exists(), "nothing is written where nobody could go on"
    checkpoint = pointed_at(tmp_path / "elsewhere" / "latest")
    assert checkpoint is not None
    assert_readable(checkpoint)


def test_a_read_only_folder_is_refused_at_the_door(dataset: Path, locked: Path) -> None:
    process = start(dataset, locked / "run")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "cannot write the run folder" in err
    assert "Traceback" not in err


@pytest.mark.long
def test_a_second_signal_stops_at_once(dataset: Path, tmp_path: Path) -> None:
    """The first asks to save, which here never ends."""
    run = tmp_path / "run"
    stuck = (
        "import sys, time\nfrom nicegan.training import checkpoint_manager\n"
        "checkpoint_manager.save_state = lambda *_: (print('saving', flush=True), time.sleep(60))\n"
        "from nicegan.cli import main\nmain(sys.argv[1:])"
    )
    arguments = [str(a) for a in ("train", dataset, *TINY, "--steps", 10**6, "--checkpoint-every", 10**6, "--out", run)]
    process = subprocess.Popen(
        [sys.executable, "-c", stuck, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ONE_THREAD,
    )
    while process.poll() is None and len(RunFolder(run).read_metrics()) < 3:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    assert process.stdout.readline() == "saving\n"
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert time.monotonic() - began < 5


def test_pointers_survive_a_lost_latest(tiny_run: RunConfig, tmp_path: Path) -> None:
    """`latest` is lost with the checkpoint it named half gone: the newest whole one is used."""
    run = tmp_path / "run"
    config, said = tiny_run.model_copy(update={"steps": 2}), io.StringIO()
    train(config, run, Console(quiet=True))
    (run / "latest").write_text(json.dumps({"checkpoint": "checkpoints/999999999"}))
    train(config, run, Console(file=said, width=200))
    assert "resuming at step 2" in said.getvalue()
