"""An ablation's runs: which are trained, which are not again, and whose folder it is. Training is made up."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.conftest import TINY

from nicegan.ablation import runner as ablation
from nicegan.ablation.cell import Cell, is_finished
from nicegan.ablation.runner import AblationOutcome, run_ablation, trained_parameters
from nicegan.errors import ConfigError, DataError, TrainingError
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.recipes import recipe
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.training.logger import describe_origin
from nicegan.training.trainer import Outcome

SWITCHES = {"encoder": ["reused", "independent"]}
QUIET = Console(quiet=True)


@pytest.fixture
def base(tiny_run: RunConfig) -> RunConfig:
    return tiny_run.model_copy(update={"log_every": 3})


class Trainer:
    """Writes the folder of a finished run in place of training; a score of 10 + seed, 20 more when independent."""

    def __init__(self) -> None:
        self.trained: list[str] = []
        self.stop_at: str | None = None
        self.fail_at: str | None = None

    def __call__(self, config: RunConfig, out: Path, _: Console) -> Outcome:
        name = f"{out.parent.name}/{out.name}"
        self.trained.append(name)
        folder = RunFolder(out)
        folder.claim(config, describe_origin("a made-up machine"))
        if name == self.fail_at:
            raise TrainingError("step 3: cycle is not a finite number")
        stopped = name == self.stop_at
        score = 10.0 + config.seed + 20 * (config.method.encoder_name() == "independent encoder")
        scores = {3: score} if stopped else {3: score, 6: score + 1}
        lines = [
            {"step": step, "score/sliced_wasserstein": value, "score/no_translation": 99.0}
            for step, value in scores.items()
        ]
        folder.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
        best = {"checkpoint": "checkpoints/000000003", "step": 3, "why": "smallest x", "score": score}
        folder.best.write_text(json.dumps(best))
        folder.latest.write_text(json.dumps({"step": max(scores)}))
        return Outcome(out, max(scores), 143 if stopped else 0)


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    made_up = Trainer()
    monkeypatch.setattr(ablation, "plot", lambda _: b"")  # seconds, and tested with the tables
    monkeypatch.setattr(ablation, "write_report", lambda run: (run / "report.html").touch())
    monkeypatch.setattr(ablation, "train", made_up)
    return made_up


def ablate(base: RunConfig, out: Path, seeds: Sequence[int] = (0, 1), **switches: Any) -> AblationOutcome:
    return run_ablation(base, switches or SWITCHES, seeds, out, QUIET)


CELLS = [f"encoder={encoder}/seed-{seed}" for seed in (0, 1) for encoder in ("reused", "independent")]


def test_every_cell_is_trained_with_its_setting_and_seed(base: RunConfig, trainer: Trainer, tmp_path: Path) -> None:
    outcome = ablate(base, tmp_path / "out")
    assert trainer.trained == CELLS
    config = RunFolder(tmp_path / "out" / CELLS[3]).read_config()
    independent = NiceGAN(network=TINY.model_copy(update={"encoder": "independent"}))
    assert config == base.model_copy(update={"seed": 1, "method": independent})
    assert outcome.exit_code == 0
    runs = list(csv.DictReader((tmp_path / "out" / "runs.csv").read_text().splitlines()))
    assert [(line["folder"], float(line["sliced_wasserstein_best"])) for line in runs] == [
        (CELLS[0], 10.0), (CELLS[2], 11.0), (CELLS[1], 30.0), (CELLS[3], 31.0)
    ]  # fmt: skip
    page = (tmp_path / "out" / "table.md").read_text()
    assert "on dataset, 6 steps of batch 1, 64x64 pixels, seeds 0, 1." in page
    assert "network.base_channels = 4" in page
    assert "* Machine: a made-up machine." in page
    assert str(tmp_path) not in page
    assert (tmp_path / "out" / "figure.png").is_file()
    assert (tmp_path / "out" / CELLS[0] / "report.html").is_file()


def test_what_is_finished_is_not_trained_again(base: RunConfig, trainer: Trainer, tmp_path: Path) -> None:
    trainer.stop_at = CELLS[2]
    stopped = ablate(base, tmp_path / "out")
    assert stopped.exit_code == 143
    assert trainer.trained == CELLS[:3]
    assert "Not trained yet: 2 of 4 runs" in (tmp_path / "out" / "table.md").read_text()
    trainer.trained, trainer.stop_at = [], None
    assert ablate(base, tmp_path / "out").exit_code == 0
    assert trainer.trained == CELLS[2:]
    before = (tmp_path / "out" / "table.md").read_text()
    trainer.trained = []
    ablate(base, tmp_path / "out")
    assert trainer.trained == []
    assert (tmp_path / "out" / "table.md").read_text() == before


def test_an_ablation_may_grow(base: RunConfig, trainer: Trainer, tmp_path: Path) -> None:
    ablate(base, tmp_path / "out", seeds=[0], encoder=["reused"])
    trainer.trained = []
    ablate(base, tmp_path / "out")
    assert trainer.trained == CELLS[1:]
    moved = base.model_copy(update={"num_threads": 2, "log_every": 5})
    trainer.trained = []
    ablate(moved, tmp_path / "out")
    assert trainer.trained == []


def test_another_ablation_is_refused(base: RunConfig, trainer: Trainer, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ablate(base, out)
    for message, arguments in {
        "steps: 6 there, 7 asked for": {"base": base.model_copy(update={"steps": 7})},
        "seeds: 1 there and not asked for": {"base": base, "seeds": [0]},
        "switches: encoder there, attention asked for": {"base": base, "attention": ["none"]},
        "encoder: independent there and not asked for": {"base": base, "encoder": ["reused"]},
    }.items():
        with pytest.raises(ConfigError, match="holds another ablation") as caught:
            ablate(out=out, **arguments)  # pyright: ignore[reportArgumentType]
        assert message in str(caught.value)
    (out / "ablation.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        ablate(base, out)
    assert trainer.trained == CELLS


def test_nothing_is_written_where_it_cannot_start(base: RunConfig, trainer: Trainer, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(DataError, match="nowhere"):
        ablate(base.model_copy(update={"data": tmp_path / "nowhere"}), out)
    with pytest.raises(ConfigError, match="device is no switch"):
        ablate(base, out, device=["cpu", "abacus"])
    with pytest.raises(ConfigError, match="no switch"):
        ablate(base, out, encodr=["reused"])
    with pytest.raises(ConfigError, match="each once"):
        ablate(base, out, seeds=[1, 1])
    assert not out.exists()
    with pytest.raises(ConfigError, match="is not an ablation"):
        ablate(base, tmp_path / "dataset")
    assert trainer.trained == []


def test_a_run_whose_numbers_go_wrong_does_not_stop_the_others(
    base: RunConfig, trainer: Trainer, tmp_path: Path
) -> None:
    trainer.fail_at = CELLS[1]
    outcome = ablate(base, tmp_path / "out")
    assert outcome.exit_code == 2
    assert trainer.trained == CELLS
    page = (tmp_path / "out" / "table.md").read_text()
    assert "Failed: encoder=independent, seed 0: step 3: cycle is not a finite number" in page
    assert [len(row.runs) for row in outcome.table.rows] == [2, 1]


def test_when_a_cell_is_finished(base: RunConfig, trainer: Trainer, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ablate(base, out, seeds=[0], encoder=["reused"])
    setting = ablation.make_grid(base, {"encoder": ["reused"]}).settings[0]
    cell = Cell(setting, 0, out / CELLS[0])
    folder = RunFolder(cell.folder)
    lines = folder.metrics.read_text()
    assert is_finished(cell)
    folder.metrics.write_text(lines.replace("11.0", "9.0"))  # the last is better than the one that best names
    assert not is_finished(cell)
    folder.metrics.write_text(lines)
    folder.latest.write_text(json.dumps({"step": 3}))  # killed between the last score and its checkpoint
    assert not is_finished(cell)
    folder.metrics.unlink()
    assert not is_finished(cell)

    patient = base.model_copy(update={"steps": 600, "patience": 1})
    cell = Cell(setting._replace(config=patient), 0, out / CELLS[0])
    folder.claim(patient, describe_origin("a made-up machine"))
    folder.metrics.write_text(lines)
    folder.latest.write_text(json.dumps({"step": 6}))
    assert is_finished(cell)  # one score no better than the best
    with pytest.raises(ConfigError, match="other settings .patience 1 there, 2 in the ablation"):
        is_finished(cell._replace(setting=setting._replace(config=patient.model_copy(update={"patience": 2}))))


def test_what_a_run_folder_leaves_out_is_unknown(base: RunConfig, trainer: Trainer, tmp_path: Path) -> None:
    ablate(base, tmp_path / "out", seeds=[0], encoder=["reused"])
    folder = RunFolder(tmp_path / "out" / CELLS[0])
    folder.config.write_text(json.dumps({"config": folder.read_config().model_dump(mode="json")}))
    folder.best.write_text(json.dumps({"checkpoint": "checkpoints/000000003", "step": 3}))
    ablate(base, tmp_path / "out", seeds=[0], encoder=["reused"])
    page = (tmp_path / "out" / "table.md").read_text()
    for what in ("Best checkpoint", "Machine", "Versions", "Commit"):
        assert f"* {what}: unknown." in page


def test_a_terminal_of_80_columns_breaks_no_word(base: RunConfig, trainer: Trainer, tmp_path: Path) -> None:
    by = ["discriminator", "generator", "both"]
    outcome = ablate(
        base, tmp_path / "out", encoder=["reused"], encoder_trained_by=by, classifiers=["cam+local+global"]
    )
    terminal = Console(width=80, file=io.StringIO())
    terminal.print(ablation.summary(outcome.table))
    shown = terminal.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    for word in (
        "encoder trained by:",
        "discriminator",
        "classifiers:",
        "cam+local+global",
        "10.50 ± 0.71",
        "wasserstein",
    ):
        assert word in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_parameters_are_counted_without_making_them() -> None:
    config = recipe("nicegan-tiny")
    method = config.method.build(config.size)
    everyone = {id(p): p.numel() for domain in method.domains for p in domain.parameters()}
    assert trained_parameters(config) == sum(everyone.values())
