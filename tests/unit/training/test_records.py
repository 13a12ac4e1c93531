"""What a run writes down."""

from pathlib import Path

import torch
from PIL import Image
from tests.conftest import TINY

from nicegan.config import LossConfig
from nicegan.methods.base import Batch
from nicegan.methods.build import build_method
from nicegan.run_folder import RunFolder
from nicegan.training.records import MetricsWriter, summarised
from nicegan.training.samples import save_grid, views


def test_a_resumed_run_continues_its_lines(tmp_path: Path) -> None:
    first = MetricsWriter(RunFolder(tmp_path), 0)
    for step in (1, 2, 3):
        first.write(step, {"loss": step / 2})
    first.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')  # cut short by a crash
    resumed = MetricsWriter(RunFolder(tmp_path), 2)
    resumed.write(3, {"loss": 7.0})
    resumed.close()
    assert RunFolder(tmp_path).read_metrics() == [
        {"step": 1, "loss": 0.5},
        {"step": 2, "loss": 1.0},
        {"step": 3, "loss": 7.0},
    ]


def test_the_progress_line_sums_the_terms() -> None:
    terms = {"discriminator/A/cam": 1.0, "discriminator/B/cam": 2.0, "generator/A/local": 4.0, "generator/A/cycle": 8.0}
    assert summarised(terms) == {"D": 3.0, "adversarial": 4.0, "cycle": 8.0, "reconstruction": 0}


def test_a_grid_shows_every_column_for_both_directions(tmp_path: Path) -> None:
    paths = build_method(TINY, LossConfig(), (64, 48)).translation_paths()
    samples = Batch(torch.rand(3, 3, 64, 48), torch.rand(2, 3, 64, 48))
    save_grid(tmp_path / "samples" / "grid.png", paths, samples)
    with Image.open(tmp_path / "samples" / "grid.png") as grid:
        assert grid.width > 10 * 2 * 48  # enlarged
        assert grid.height > 2 * 2 * 64
    shown = views(paths, "A", "B", samples.a)
    assert shown._fields == ("source", "heatmap", "reconstruction", "translation", "cycle")
    with torch.no_grad():
        translation = paths["B"].generator(paths["A"].encoder(samples.a))
    assert torch.equal(shown.translation, translation)
    assert torch.equal(shown.reconstruction, paths["A"].generator(paths["A"].encoder(samples.a)))
    assert torch.equal(shown.cycle, paths["A"].generator(paths["B"].encoder(translation)))
