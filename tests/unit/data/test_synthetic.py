"""The demo's scenes: unpaired, repeatable, and with a true counterpart."""

from pathlib import Path

import numpy as np

from nicegan.data.folders import find_images, read_image
from nicegan.data.synthetic import DAY, NIGHT, draw_layout, paint, write_demo_data


def bytes_of(folder: Path) -> list[bytes]:
    return [np.asarray(read_image(path)).tobytes() for path in find_images(folder)]


def test_counterparts_share_the_layout_and_training_sets_share_nothing(tmp_path: Path) -> None:
    demo = write_demo_data(tmp_path, seed=1, side=32, num_train=4, num_test=3)
    random = np.random.default_rng(1)
    layouts = [draw_layout(random) for _ in range(14)]
    by_set = {"trainA": layouts[:4], "testA": layouts[4:7], "trainB": layouts[7:11], "testB": layouts[11:]}
    for name, expected in by_set.items():
        palette = DAY if name.endswith("A") else NIGHT
        assert bytes_of(demo.dataset / name) == [paint(one, palette, 32).tobytes() for one in expected]
    assert bytes_of(demo.truth_of_a) == [paint(one, NIGHT, 32).tobytes() for one in by_set["testA"]]
    assert bytes_of(demo.truth_of_b) == [paint(one, DAY, 32).tobytes() for one in by_set["testB"]]
    assert len({repr(layout) for layout in layouts}) == 14


def test_another_seed_paints_other_scenes(tmp_path: Path) -> None:
    one, other = (write_demo_data(tmp_path / str(seed), seed=seed, side=32, num_train=1, num_test=1) for seed in (0, 1))
    assert bytes_of(one.dataset) != bytes_of(other.dataset)
