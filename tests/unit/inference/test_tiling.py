"""Tiles: where they lie, how their statistics add up, and what they do when something fails."""

import tempfile
from functools import partial
from pathlib import Path
from threading import Thread, current_thread

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import write_images
from tests.unit.inference.test_translator import write_model
from torch import Tensor, nn

from nicegan.errors import ConfigError, DataError
from nicegan.inference import aside, memory
from nicegan.inference.files import translate_files
from nicegan.inference.memory import needed_bytes, needed_in_tiles
from nicegan.inference.tiling import Part, largest_of_all, mean_of_all, moments_of_all, reach_of, spans, translate_tiles
from nicegan.inference.translator import Translator, load
from nicegan.methods.nicegan.config import NiceGANNetwork
from nicegan.nn import statistics
from nicegan.nn.statistics import Statistics


@pytest.mark.parametrize(("length", "side", "margin"), [(200, 64, 12), (64, 64, 12), (65, 64, 100), (20, 64, 4)])
def test_tiles_cover_each_pixel_once_and_read_no_further_than_the_image(length: int, side: int, margin: int) -> None:
    tiles = spans(length, side, margin)
    assert [pixel for tile in tiles for pixel in range(tile.begin, tile.end)] == list(range(length))
    for tile in tiles:
        assert max(0, tile.begin - margin) == tile.read_begin
        assert min(length, tile.end + margin) == tile.read_end
        assert tile.own(tile.read_end - tile.read_begin) == slice(
            tile.begin - tile.read_begin, tile.end - tile.read_begin
        )


def test_statistics_of_parts_are_those_of_the_whole() -> None:
    x, whole = torch.randn(2, 5, 12, 30, dtype=torch.float64) * 3 + 7, Statistics()
    cuts = [x[..., :1, :1], x[..., :1, 1:], x[..., 1:, :20], x[..., 1:, 20:]]  # one has a single pixel
    counts = [whole.num_pixels(cut) for cut in cuts]

    def parts(numbers: list[tuple[Tensor, ...]]) -> list[Part]:
        return list(map(Part, counts, numbers))

    means = mean_of_all(parts([(whole.mean(cut),) for cut in cuts]))
    torch.testing.assert_close(means, whole.mean(x), rtol=1e-13, atol=0)
    assert torch.equal(largest_of_all(parts([(whole.largest(cut),) for cut in cuts])), whole.largest(x))
    moments = moments_of_all(parts([tuple(whole.moments(cut)) for cut in cuts]))
    torch.testing.assert_close(moments, whole.moments(x), rtol=1e-13, atol=0)


@pytest.mark.parametrize(("layers", "reach"), [(1, 1), (3, 3), (8, 8)])
def test_the_reach_is_that_of_the_convolutions(layers: int, reach: int) -> None:
    stack = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(layers))).double().requires_grad_(False)

    def networks(image: Tensor) -> Tensor:
        return stack(image) * statistics.mean(image)[..., None, None]

    assert reach_of(networks, 1, torch.zeros(1, dtype=torch.float64)) == reach
    assert reach_of(networks, 4, torch.zeros(1, dtype=torch.float64)) == -(-reach // 4) * 4


def test_a_reach_as_large_as_the_first_probe_is_measured_on_a_larger_one() -> None:
    wide = nn.Conv2d(3, 3, (1, 201), padding=(0, 100)).requires_grad_(False)
    assert reach_of(wide, 1, torch.zeros(1)) == 100


def test_the_first_failure_of_a_tile_ends_all() -> None:
    begun: list[Thread] = []

    def networks(image: Tensor) -> Tensor:
        begun.append(current_thread())
        image = image + statistics.mean(image)[..., None, None]
        if len(begun) == 6:
            raise MemoryError("no more")
        return image

    with pytest.raises(MemoryError, match="no more"):
        translate_tiles(networks, torch.rand(1, 3, 64, 96), 32, 0)
    assert len(begun) == 6
    assert not any(thread.is_alive() for thread in begun)
    assert statistics.of_whole_maps()


@pytest.fixture
def translator(tmp_path: Path) -> Translator:
    return load(write_model(tmp_path / "model.safetensors"), "cpu")


def test_what_does_not_fit_as_a_whole_is_tiled(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / "in", 1, size=(500, 300))
    as_whole = tmp_path / "whole"
    (path,) = translate_files(translator, [tmp_path / "in"], as_whole, to="B")
    monkeypatch.setattr(memory, "SURELY_FITS", 100 * 100)
    for module in ("memory", "translator"):
        monkeypatch.setattr(f"nicegan.inference.{module}.TILE", 64)
    in_tiles, size = needed_in_tiles(translator, (300, 500), 64), (300, 500)
    assert in_tiles < needed_bytes(translator, size)
    monkeypatch.setattr(memory, "free_bytes", lambda device: in_tiles + (8 << 20))
    assert translator.tile_for(size) == 64
    (tiled,) = translate_files(translator, [tmp_path / "in"], tmp_path / "tiles", to="B")
    two = [np.asarray(Image.open(one)).astype(int) for one in (path, tiled)]
    assert abs(two[0] - two[1]).max() <= 1


def test_a_full_disk_is_said_and_other_images_are_translated(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "SMALLEST", 4096)
    full = partial(open, "/dev/full", "r+b", buffering=0)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **given: full())
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    write_images(tmp_path / "in", 1, size=(130, 64))
    small = write_images(tmp_path / "small", 1, size=(64, 64))
    translator.tile = 64
    with pytest.raises(DataError, match=r"(?s)1 of 2 images.*No space left on device.*TMPDIR"):
        translate_files(translator, [tmp_path / "in", *small], tmp_path / "out", to="B")
    assert len(list((tmp_path / "out").rglob("*.png"))) == 1


@pytest.mark.parametrize("tile", [0, -64, 63])
def test_tiles_that_are_too_small_are_refused(tmp_path: Path, tile: int) -> None:
    with pytest.raises(ConfigError, match="64 pixels or more"):
        load(write_model(tmp_path / "model.safetensors"), "cpu", tile=tile)


def test_a_model_of_one_size_takes_no_tiles(tmp_path: Path) -> None:
    flat = NiceGANNetwork(base_channels=4, blocks=1, depth=6, summary="flat")
    path = write_model(tmp_path / "flat.safetensors", flat)
    with pytest.raises(ConfigError, match="tile 128 does not fit this model: it takes 64x64 only"):
        load(path, "cpu", tile=128)
    assert load(path, "cpu").tile_for((64, 64)) is None


def test_memory_that_ends_all_the_same_is_said_with_the_way_out(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(image: Tensor, to: str) -> Tensor:
        raise MemoryError

    monkeypatch.setattr(translator.networks, "translate", fail)
    write_images(tmp_path / "in", 1, size=(600, 40))
    with pytest.raises(DataError, match="do not fit in memory: try --tile 512 or --max-side 300"):
        translate_files(translator, [tmp_path / "in"], tmp_path / "out", to="B")
