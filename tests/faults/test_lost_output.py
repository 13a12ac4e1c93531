"""Output that goes away, signals that are ignored, and a terminal that hangs up: the run goes on, or is saved."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.end_to_end.test_runs import ONE_THREAD

from nicegan.run_folder import RunFolder

NETWORK = ["--recipe", "nicegan-tiny", "--network.base-channels", "2", "--network.blocks", "1", "--image-size", "48"]
ENDLESS = ["--steps", "100000", "--log-every", "1", "--checkpoint-every", "100000", "--score-every", "100000"]


def command(dataset: Path, run: Path, *more: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "nicegan",
        "train",
        str(dataset),
        *NETWORK,
        "--device",
        "cpu",
        "--out",
        str(run),
        *more,
    ]


def test_a_closed_pipe_does_not_end_training(dataset: Path, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    steps = ["--steps", "3", "--log-every", "1"]
    process = subprocess.Popen(
        command(dataset, tmp_path / "run", *steps), env=ONE_THREAD, stdout=writing, stderr=writing
    )
    os.close(writing)
    os.close(reading)
    assert process.wait(120) == 0
    assert RunFolder(tmp_path / "run").model.is_file()


@pytest.mark.long
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_the_log_does_not_end_training(dataset: Path, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        arguments = command(dataset, tmp_path / "run", "--steps", "3")
        assert subprocess.run(arguments, env=ONE_THREAD, stdout=full, stderr=full, check=False).returncode == 0
    assert RunFolder(tmp_path / "run").model.is_file()


@pytest.mark.long
def test_an_encoding_that_cannot_say_a_name_does_not_end_training(dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "läuft→"
    arguments = command(dataset, run, "--steps", "2")
    for encoding in ("latin-1", "cp1252:strict"):
        done = subprocess.run(
            arguments, env={**ONE_THREAD, "PYTHONIOENCODING": encoding}, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert RunFolder(run).model.is_file()


def started(arguments: list[str], run: Path, *, ignored: int | None = None) -> subprocess.Popen[bytes]:
    def ignore() -> None:
        if ignored:
            signal.signal(ignored, signal.SIG_IGN)

    process = subprocess.Popen(arguments, env=ONE_THREAD, stderr=subprocess.DEVNULL, preexec_fn=ignore)
    deadline = time.monotonic() + 120
    while not (run / "metrics.jsonl").is_file() or not (run / "metrics.jsonl").stat().st_size:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return process


def test_a_terminal_that_hangs_up_ends_a_run_that_is_saved(dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = started(command(dataset, run, *ENDLESS), run)
    process.send_signal(signal.SIGHUP)
    assert process.wait(120) == 128 + signal.SIGHUP
    assert any((run / "checkpoints").iterdir())


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_is_ignored_at_the_start_stays_ignored(number: int, dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = started(command(dataset, run, *ENDLESS), run, ignored=number)
    process.send_signal(number)
    before = len((run / "metrics.jsonl").read_text().splitlines())
    time.sleep(2)
    assert process.poll() is None
    assert len((run / "metrics.jsonl").read_text().splitlines()) > before
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 128 + signal.SIGTERM


def test_sigusr1_saves_and_goes_on(dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = started(command(dataset, run, *ENDLESS), run)
    process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + 120
    while not (run / "checkpoints").is_dir() or not any((run / "checkpoints").glob("0*")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 128 + signal.SIGTERM
    assert len(list((run / "checkpoints").glob("0*"))) == 2
