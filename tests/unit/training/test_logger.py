"""What a run writes down."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.conftest import TINY

from nicegan.errors import ConfigError, TrainingError
from nicegan.methods.nicegan.build import build_translation_model
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.shapes import Batch
from nicegan.training import logger, tensorboard
from nicegan.training.logger import MetricsWriter, summarised
from nicegan.training.samples import save_grid, views


def test_a_resumed_run_continues_its_lines(tmp_path: Path) -> None:
    first = MetricsWriter(RunFolder(tmp_path), 0, 10)
    for step in (1, 2, 3):
        first.write(step, {"loss": step / 2})
    first.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')  # cut short by a crash
    resumed = MetricsWriter(RunFolder(tmp_path), 2, 10)
    resumed.write(3, {"loss": 7.0})
    resumed.close()
    assert RunFolder(tmp_path).read_metrics() == [
        {"step": 1, "loss": 0.5},
        {"step": 2, "loss": 1.0},
        {"step": 3, "loss": 7.0},
    ]


def test_logs_rotate_and_are_read_and_trimmed_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logger, "LARGEST_LOG_BYTES", 150)
    folder = RunFolder(tmp_path)
    writer = MetricsWriter(folder, 0, 100)
    for step in range(1, 41):
        writer.write(step, {"loss": 0.5})
    writer.close()
    names = sorted(path.name for path in tmp_path.glob("metrics*"))
    assert len(names) >= 5
    assert all((tmp_path / name).stat().st_size < 200 for name in names)
    assert [line["step"] for line in folder.read_metrics()] == list(range(1, 41))
    resumed = MetricsWriter(folder, 13, 100)
    resumed.write(14, {"loss": 0.25})
    resumed.close()
    assert [line["step"] for line in folder.read_metrics()] == list(range(1, 15))


def test_tensorboard_has_one_file_of_bounded_size_however_often_a_run_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr(tensorboard, "MAX_POINTS", 20)
    for first in (0, 300, 600):
        writer = MetricsWriter(RunFolder(tmp_path), first, 1000)
        for step in range(first + 1, first + 301):
            writer.write(step, {"loss": step / 2})
        writer.close()
    (file,) = (tmp_path / "tensorboard").iterdir()
    points = EventAccumulator(str(file)).Reload().Scalars("loss")
    assert [point.step for point in points] == list(range(1, 900, 50))
    assert all(point.value == point.step / 2 for point in points)


def test_tensorboard_shows_grids_and_survives_a_record_that_a_kill_cut_short(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    Image.new("RGB", (6, 4)).save(tmp_path / "grid.png")
    writer = MetricsWriter(RunFolder(tmp_path), 0, 100)
    writer.write(1, {"loss": 1.0})
    writer.show(1, tmp_path / "grid.png", (6, 4))
    writer.write(2, {"loss": 2.0})
    writer.close()
    (file,) = (tmp_path / "tensorboard").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    assert tensorboard.whole_length(file) < len(whole) - 5
    resumed = MetricsWriter(RunFolder(tmp_path), 1, 100)
    resumed.write(2, {"loss": 3.0})
    resumed.close()
    events = EventAccumulator(str(file)).Reload()
    assert [(point.step, point.value) for point in events.Scalars("loss")] == [(1, 1.0), (2, 3.0)]
    assert [(image.step, image.width, image.height) for image in events.Images("samples")] == [(1, 6, 4)]


def test_the_progress_line_sums_the_terms() -> None:
    terms = {"discriminator/A/cam": 1.0, "discriminator/B/cam": 2.0, "generator/A/local": 4.0, "generator/A/cycle": 8.0}
    assert summarised(terms) == {"discriminator": 3.0, "generator": 12.0}


def test_a_grid_shows_every_column_for_both_directions(tmp_path: Path) -> None:
    model = build_translation_model(TINY, (64, 48))
    samples = Batch(torch.rand(3, 3, 64, 48), torch.rand(2, 3, 64, 48))
    save_grid(tmp_path / "samples" / "grid.png", model, samples)
    with Image.open(tmp_path / "samples" / "grid.png") as grid:
        assert grid.width > 10 * 2 * 48  # enlarged
        assert grid.height > 2 * 2 * 64
    shown = views(model, "A", samples.a)
    assert list(shown) == ["source", "heatmap", "reconstruction", "translation", "cycle"]
    a, b = model.path("A"), model.path("B")
    with torch.no_grad():
        translation = b.generator(a.encoder(samples.a))
    assert torch.equal(shown["translation"], translation)
    assert torch.equal(shown["reconstruction"], a.generator(a.encoder(samples.a)))
    assert torch.equal(shown["cycle"], a.generator(b.encoder(translation)))


def test_one_damaged_line_costs_one_line(tmp_path: Path) -> None:
    lines = [f'{{"step": {step}, "loss": 0.5}}' for step in range(1, 6)]
    lines[1], lines[2], lines[3] = "garbage", '{"step": 3, "loss": "abc"}', "[" * 100_000
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + '\n{"step": 6, "lo')
    folder = RunFolder(tmp_path)
    assert [line["step"] for line in folder.read_metrics()] == [1, 5]
    folder.trim_metrics(9)
    assert (tmp_path / "metrics.jsonl").read_text() == f"{lines[0]}\n{lines[4]}\n"


def test_another_folder_of_the_same_name_is_not_ours(tmp_path: Path, tiny_run: RunConfig) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.claim(tiny_run, {})
    folder.require()
    folder.root.rename(tmp_path / "moved")
    other = RunFolder(tmp_path / "run")
    with pytest.raises(TrainingError, match="vanished"):
        folder.require()
    other.root.mkdir()
    (other.root / "config.json").write_bytes((tmp_path / "moved/config.json").read_bytes())
    with pytest.raises(TrainingError, match="vanished"):
        folder.require()


def test_a_folder_whose_name_is_no_text_is_refused_before_anything_is_saved(
    tmp_path: Path, tiny_run: RunConfig
) -> None:
    with pytest.raises(ConfigError, match="is not valid UTF-8"):
        RunFolder(tmp_path / "run\udcff").claim(tiny_run, {})
    assert not (tmp_path / "run\udcff").exists()
