"""An ablation as a user runs it: stopped in the middle of a run, and given again."""

import csv
import json
import os
import signal
from pathlib import Path

import pytest
from rich.console import Console
from safetensors.torch import load_file

from nicegan import cli
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.run_config import RunConfig
from nicegan.training.state import TrainingState
from nicegan.training.trainer import Outcome, train

NETWORK = ["--network.base-channels", "4", "--network.blocks", "1", "--image-size", "48", "--device", "cpu"]
SWITCHES = ["--switches", "encoder=reused,independent", "encoder-trained-by=discriminator", "--seeds", "1"]
NAMES = [f"encoder={encoder},encoder_trained_by=discriminator" for encoder in ("reused", "independent")]


def ablate(dataset: Path, out: Path) -> int:
    budget = ["--recipe", "nicegan-tiny", "--steps", "2", "--score-every", "1", "--out", str(out)]
    with pytest.raises(SystemExit) as caught:
        cli.main(["ablate", str(dataset), *SWITCHES, *NETWORK, *budget])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.mark.long
def test_stopped_and_given_again(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def stopping(config: RunConfig, folder: Path, console: Console) -> Outcome:
        def stop_in_the_second_run(state: TrainingState) -> None:
            assert isinstance(config.method, NiceGAN)
            if config.method.network.encoder == "independent" and state.step == 1:
                os.kill(os.getpid(), signal.SIGTERM)

        return train(config, folder, console, stop_in_the_second_run)

    with monkeypatch.context() as patch:
        patch.setattr("nicegan.ablation.runner.train", stopping)
        assert ablate(dataset, out) == 143
    assert "the ablation goes on when its command is given again" in capsys.readouterr().err
    assert json.loads((out / NAMES[1] / "seed-0" / "latest").read_text())["step"] == 1

    assert ablate(dataset, out) == 0
    said = capsys.readouterr().err
    assert f"run 2 of 2: {NAMES[1]}, seed 0" in said
    assert "run 1 of 2" not in said
    assert "resuming at step 1" in said
    runs = read(out / "runs.csv")
    assert [(line["encoder"], line["last_step"]) for line in runs] == [("reused", "2"), ("independent", "2")]
    for line in runs:
        best = json.loads((out / line["folder"] / "best").read_text())
        assert float(line["sliced_wasserstein_best"]) == best["score"]
        assert int(line["best_step"]) == best["step"]
    settings = read(out / "table.csv")
    for line, name in zip(settings, NAMES, strict=True):
        weights = load_file(out / name / "seed-0" / "checkpoints/000000002/weights.safetensors")
        named = [tensor for key, tensor in weights.items() if not key.startswith("average.")]
        assert 0 < int(line["parameters_trained"]) <= sum(tensor.numel() for tensor in named)
    assert {path.name for path in out.iterdir()} == {
        "ablation.json", "table.md", "table.csv", "runs.csv", "figure.png", *NAMES
    }  # fmt: skip
