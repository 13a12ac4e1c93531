"""The benchmark measures what it says, and says what it cannot."""

import json
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from nicegan.bench import measure, tables
from nicegan.bench.count import kept_bytes
from nicegan.bench.turns import Side, take_turns
from nicegan.cli.bench import run
from nicegan.errors import ConfigError, NiceganError
from nicegan.nn.flops import flops
from nicegan.recipes import recipe

REFERENCE = Path(__file__).parents[3] / "benchmarks/reference_nicegan.py"


def sleeping(seconds: float) -> Side:
    return Side(lambda: time.sleep(seconds), lambda: {"asked": seconds})


def broken(seconds: float) -> Side:
    raise ValueError(f"cannot sleep {seconds}")


def plan(rounds: int = 1, **changes: object) -> measure.Plan:
    return measure.Plan(recipe("nicegan-tiny", batch_size=1, **changes), REFERENCE, rounds, lambda text: None)


def test_turns_measure_each_side_in_its_own_process() -> None:
    sides = {"short": (sleeping, {"seconds": 0.05}), "long": (sleeping, {"seconds": 0.3})}
    measured = take_turns(sides, rounds=3, progress=lambda text: None)
    assert 0.05 <= measured["short"].median < measured["long"].median
    assert measured["long"].median >= 0.3
    assert len(measured["long"].seconds) == 3
    assert measured["long"].facts == {"asked": 0.3}


def test_a_side_that_breaks_is_named() -> None:
    with pytest.raises(NiceganError, match="'bad': ValueError: cannot sleep 1"):
        take_turns({"bad": (broken, {"seconds": 1})}, 1, lambda text: None)


def test_flops_and_kept_bytes_of_a_known_layer() -> None:
    layer, x = nn.Conv2d(3, 4, 3, bias=False), torch.randn(2, 3, 10, 10)
    assert flops(lambda: layer(x)) == 2 * (2 * 4 * 8 * 8) * (3 * 3 * 3)
    kept = kept_bytes(lambda: layer(x), [layer])
    assert kept == (x.nbytes, 0)
    doubled = kept_bytes(lambda: torch.nn.functional.conv2d(x, layer.weight * 2), [layer])
    assert doubled == (x.nbytes, layer.weight.nbytes)


@pytest.mark.long
def test_a_step_is_measured_against_reference_and_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "precisions", lambda plan: ("float32",))
    part = measure.measure_step(plan(rounds=1, image_size=64))
    ours, reference = part["nicegan float32"], part["reference"]
    assert set(part) == {"reference", "nicegan float32", "convolution float32"}
    assert ours["times_faster"] == pytest.approx(reference["seconds"]["median"] / ours["seconds"]["median"])
    assert ours["times_floor"] > 1, "no step is faster than its convolutions"
    assert ours["activations_ratio"] <= 0.3
    assert reference["flops"] >= ours["flops"]


def test_translation_and_data_are_measured_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    results = {"translation": {**measure.measure_translation(plan()), "settings": "tiny"}}
    results["data"] = {**measure.measure_data(plan()), "settings": "tiny"}
    assert results["translation"]["mean difference, of 255"] < 2
    assert results["data"]["one core"]["images_per_second"] > 100
    from rich.console import Console

    for table in tables.tables(results):
        Console(width=100).print(table)
    shown = capsys.readouterr().out
    assert "nicegan bfloat16" in shown
    assert "images/s" in shown
    assert all(f"{name}: " in " ".join(shown.split()) for name in ("x faster", "x a step's")), "columns are explained"


def test_the_command_writes_json_and_works_without_a_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["data", "--recipe", "nicegan-tiny", "--image-size", "64", "--rounds", "1", "--json", "out.json"]) == 0
    results = json.loads(Path("out.json").read_text())
    assert results["data"]["one core"]["rounds"] == 1
    assert results["versions"]["torch"] == torch.__version__
    assert "nothing to compare with" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="is a folder"):
        run(["data", "--json", str(tmp_path)])
    with pytest.raises(ConfigError, match="missing.py does not exist"):
        run(["step", "--reference", "missing.py"])


def test_memory_is_predicted_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["memory", "nicegan-tiny", "--image-size", "128", "--batch-size", "3"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("nicegan-tiny, 128x128 px, batch 3, float32 on cpu: about ")
    with pytest.raises(ConfigError, match="image_size"):
        run(["memory", "nicegan-tiny", "--image-size", "1000000000"])
    with pytest.raises(ConfigError, match="batch_size"):
        run(["memory", "nicegan-tiny", "--batch-size", "1000000000000"])
    with pytest.raises(ConfigError, match="there is no recipe 'huge'"):
        run(["memory", "huge"])
