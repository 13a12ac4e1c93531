"""Where a message says what to do, doing it ends the problem: each test follows the words that it was given."""

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import write_images

from nicegan import cli
from nicegan.inference import memory

TINY = ["--recipe", "nicegan-tiny", "--network.base-channels", "4", "--network.blocks", "1", "--device", "cpu"]
SHORT = ["--image-size", "64", "--steps", "1", "--checkpoint-every", "1"]


def said_by(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Run a command line, and return its exit code and what it said, as one line."""
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, " ".join((shown.out + shown.err).split())


def found(pattern: str, words: str) -> str:
    match = re.search(pattern, words)
    assert match, f"{pattern} not in: {words}"
    return match[1]


@pytest.fixture
def train(dataset: Path, tmp_path: Path) -> list[object]:
    return ["train", dataset, "--out", tmp_path / "run", *TINY, *SHORT]


@pytest.fixture(autouse=True)
def streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give back the streams that a long command replaces."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)


def test_broken_images(train: list[object], dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (dataset / "trainA" / "broken.png").write_bytes(b"not a png")
    code, words = said_by(capsys, *train)
    assert code == 2
    assert said_by(capsys, *train, found(r"train without them: (--[\w-]+)", words))[0] == 0


def test_a_size_that_does_not_fit(train: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    code, words = said_by(capsys, *train, "--image-size", "71")
    assert code == 2
    better = found(r"; (\d+)x\1 would do", words)
    assert said_by(capsys, *train, "--image-size", better)[0] == 0


def test_a_size_that_is_too_small(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full = ["train", dataset, "--out", tmp_path / "run", "--recipe", "nicegan", "--network.base-channels", "4"]
    code, words = said_by(capsys, *full, *SHORT, "--device", "cpu")
    assert code == 2
    setting, value = found(r"; (network\.depth \d+) takes sides from", words).split()
    assert said_by(capsys, *full, *SHORT, "--device", "cpu", f"--{setting}", value, "--network.blocks", "1")[0] == 0


def test_a_folder_that_is_taken_and_images_that_have_moved(
    train: list[object], dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said_by(capsys, *train)[0] == 0
    code, words = said_by(capsys, *train, "--seed", "5")
    assert code == 2
    assert "choose another --out" in words
    assert said_by(capsys, *train, "--seed", "5", "--out", tmp_path / "another")[0] == 0
    moved = dataset.rename(tmp_path / "moved")
    code, words = said_by(capsys, "train", "--resume", tmp_path / "run", "--steps", "2")
    assert code == 2
    advice = found(r"say where they are now: nicegan (train DATA --resume \S+)", words).replace("DATA", str(moved))
    code, words = said_by(capsys, *shlex.split(advice), "--steps", "2")
    assert (code, "resuming at step 1" in words) == (0, True)


def test_deep_images(train: list[object], dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in sorted(dataset.rglob("*.png")):
        Image.fromarray(np.tile(np.linspace(0, 4095, 80), (72, 1)).astype(np.uint16)).save(path)
    asked = found(r"they are read as (\S+) \(--value-range\)", said_by(capsys, *train)[1])
    code, words = said_by(capsys, *train, "--value-range", asked, "--out", tmp_path / "another")
    assert (code, "warning" in words) == (0, False)


def test_an_image_that_will_not_fit(
    train: list[object],
    dataset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert said_by(capsys, *train)[0] == 0
    images = write_images(tmp_path / "large", 1, (1600, 1200))
    translate = ["translate", tmp_path / "run", *images, "--to", "B", "--out", tmp_path / "out", "--device", "cpu"]
    free = 2 * memory.process_bytes()
    monkeypatch.setattr(memory, "free_bytes", lambda device: free)
    monkeypatch.setattr(memory, "process_bytes", lambda: free // 2)
    monkeypatch.setattr(memory, "CPU_WORKSPACE", 100 * memory.CPU_WORKSPACE)
    code, words = said_by(capsys, *translate)
    assert code == 2
    assert said_by(capsys, *translate, "--max-side", found(r"try --max-side (\d+)", words))[0] == 0


def test_words_that_were_mistyped(train: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    code, words = said_by(capsys, "trian")
    assert code == 2
    assert said_by(capsys, found(r"did you mean '?(\w+)", words), "--help")[0] == 0
    mistyped = ["nicegan-tinny" if word == "nicegan-tiny" else word for word in train]
    code, words = said_by(capsys, *mistyped)
    assert code == 2
    better = found(r"did you mean '?([\w-]+)", words)
    assert said_by(capsys, *(better if word == "nicegan-tinny" else word for word in mistyped))[0] == 0


def test_folders_of_different_sizes(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.feature_networks import write_network

    write_images(tmp_path / "small", 3, (40, 40))
    features = write_network(tmp_path / "means.pt")
    evaluate = ["evaluate", "--real", dataset / "testB", "--fake", tmp_path / "small", "--features", features]
    code, words = said_by(capsys, *evaluate, "--device", "cpu")
    assert code == 0
    flag = found(r"(--size) PIXELS brings all to one size", words)
    code, words = said_by(capsys, *evaluate, "--device", "cpu", flag, "48")
    assert (code, "different size" in words) == (0, False)
