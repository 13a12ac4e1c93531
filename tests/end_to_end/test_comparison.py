"""nicegan compare: equal conditions, one table, a kill in between, a recipe that fails, and more of it later."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage
from rich.console import Console
from tests.feature_networks import write_network

from nicegan.cli.compare import run as run_command
from nicegan.comparison import runner
from nicegan.comparison.plan import Budget, Entry, make_entries, parse_budget
from nicegan.comparison.runner import Comparison, ComparisonOutcome
from nicegan.errors import ConfigError, TrainingError
from nicegan.methods.registry import METHODS
from nicegan.recipes import RECIPES
from nicegan.run_config import RunConfig
from nicegan.training.trainer import Outcome
from nicegan.training.trainer import train as real_train

TWO = list(METHODS)[:2]


@pytest.fixture
def entries(dataset: Path, tmp_path: Path) -> list[Entry]:
    shared = {"data": dataset, "image_size": 64, "crop_margin": 8, "device": "cpu", "num_threads": 1}
    shared |= {"features": str(write_network(tmp_path / "means.pt"))}
    every = {"steps": 2, "score_every": 1, "checkpoint_every": 1, "sample_every": 1, "log_every": 1}
    return [Entry(f"{name}-tiny", RunConfig(method=METHODS[name].tiny(), **shared, **every)) for name in TWO]  # pyright: ignore


def compare(entries: list[Entry], out: Path, seeds: int = 1, steps: int = 2) -> ComparisonOutcome:
    return Comparison(entries, Budget(steps, None), range(seeds), out, Console(quiet=True)).run()


@pytest.mark.long
def test_a_comparison_is_resumed_extended_and_survives_a_recipe_that_fails(
    entries: list[Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, trained = tmp_path / "comparison", []

    def train(config: RunConfig, folder: Path, console: Console) -> Outcome:
        trained.append(folder.relative_to(out / "runs").as_posix())
        if len(trained) == 2:
            return Outcome(folder, 0, 143)  # asked to stop
        if len(trained) == 4:
            raise TrainingError("numbers went wrong")
        return real_train(config, folder, console)

    monkeypatch.setattr(runner, "train", train)
    first, second = (entry.name for entry in entries)
    assert compare(entries, out).exit_code == 143
    assert compare(entries, out).exit_code == 0
    assert trained == [f"{first}/seed-0", f"{second}/seed-0", f"{second}/seed-0"]
    costs = json.loads((out / "comparison.json").read_text())["costs"]
    outcome = compare(entries, out, seeds=2)
    assert outcome.exit_code == 2
    assert [sorted(row.scores) for row in outcome.table.rows] == [[0], [0, 1]]
    assert f"{first} failed: seed 1: numbers went wrong" in (out / "table.md").read_text()
    assert json.loads((out / "comparison.json").read_text())["costs"] == costs, "measured once"
    lines = list(csv.DictReader((out / "table.csv").read_text().splitlines()))
    assert len(lines) == 3 * 2
    assert all(float(line[f"{score}_value"]) >= 0 for line in lines for score in ("frechet", "sliced_wasserstein"))
    sources = sorted(path.stem for path in (Path(str(entries[0].config.data)) / "testA").iterdir())
    fakes = out / "outputs" / "A2B" / second / "seed-1"
    assert sorted(path.stem for path in fakes.iterdir()) == sources, "outputs pair with sources by name"
    assert {"curves.png", "sheet-A2B.png", "sheet-B2A.png", "index.html"} <= {path.name for path in out.iterdir()}
    with pytest.raises(ConfigError, match=r"budget: 2 steps there, 3 steps asked for"):
        compare(entries, out, steps=3)
    with pytest.raises(ConfigError, match=r"seed 1: there and not asked for"):
        compare(entries, out)


@pytest.mark.long
def test_a_sheet_shows_deep_sources_in_the_range_that_the_run_read_them_in(
    entries: list[Entry], dataset: Path, tmp_path: Path
) -> None:
    for path in sorted(dataset.rglob("*.png")):
        bright = np.tile(np.linspace(2048, 4095, 80), (72, 1)).astype(np.uint16)  # 12 of 16 bits: full range is black
        PILImage.fromarray(bright).save(path)
    compare(entries[:1], tmp_path / "comparison")
    sheet = np.asarray(PILImage.open(tmp_path / "comparison" / "sheet-A2B.png"))
    sources = sheet[-96 - 4 : -4, 4 : 96 + 4]
    assert sources.mean() > 170, "the last tile of the first column"


def test_a_budget_of_time_becomes_steps_by_the_measured_time_of_a_step(entries: list[Entry], tmp_path: Path) -> None:
    comparison = Comparison(entries, Budget(None, 30.0), [0], tmp_path / "comparison", Console(quiet=True))
    comparison._claim()
    for entry in entries:
        seconds = comparison.costs[entry.name].step_seconds
        assert comparison._config(entry, 0).steps == max(1, round(30 / seconds))


def test_a_folder_of_something_else_is_refused(entries: list[Entry], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not a comparison"):
        compare(entries, tmp_path / "other")


@pytest.mark.parametrize(
    ("text", "steps", "seconds"), [("2000", 2000, None), ("1,500", 1500, None), ("90s", None, 90), ("2.5m", None, 150)]
)
def test_budgets(text: str, steps: int | None, seconds: float | None) -> None:
    assert parse_budget(text) == Budget(steps, seconds)


@pytest.mark.parametrize("text", ["0", "0m", "-5", "ten", "2.5", "5d", ""])
def test_a_budget_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="name steps"):
        parse_budget(text)


def test_recipes_share_what_makes_them_comparable_and_keep_what_makes_them_themselves(dataset: Path) -> None:
    names = [f"{name}-tiny" for name in TWO]
    made = make_entries(names, {"data": dataset}, Budget(2000, None))
    assert {entry.config.size for entry in made} == {RECIPES[names[0]].size}
    assert {entry.config.score_every for entry in made} == {250}
    own = [entry.config.method.optimizer for entry in made]  # pyright: ignore[reportAttributeAccessIssue]
    assert own == [RECIPES[name].method.optimizer for name in names]  # pyright: ignore[reportAttributeAccessIssue]
    equal = make_entries(names, {"data": dataset}, Budget(2000, None), equal_optimizer=True)
    rates = {entry.config.method.optimizer.weight_decay for entry in equal}  # pyright: ignore[reportAttributeAccessIssue]
    assert rates == {RECIPES[names[0]].method.optimizer.weight_decay}  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("recipes", "message"),
    [("nicegan-tiny", "two or more"), ("nicegan-tiny,nicegan-tiny", "each once"), ("nicegan-tiny,nothing", "nothing")],
)
def test_recipes_that_make_no_comparison(recipes: str, message: str, dataset: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        run_command([str(dataset), "--recipes", recipes, "--budget", "10"])
