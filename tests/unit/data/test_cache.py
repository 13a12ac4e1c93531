"""The cache of decoded images: right, invalidated, and safe when two processes start at once."""

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import write_images

from nicegan.data import cache
from nicegan.data.cache import ImageStore, open_images, scaled
from nicegan.data.folders import read_image
from nicegan.errors import DataError

SIZE = (20, 24)


def forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(cache, "_decode", fail)


def test_images_are_decoded_once_into_mapped_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_images(tmp_path / "images", 3)
    store = open_images(paths, SIZE)
    assert isinstance(store.pixels, np.memmap)
    assert store.pixels.shape == (3, *SIZE, 3)
    for path, pixels in zip(paths, store.pixels, strict=True):
        assert np.array_equal(pixels, scaled(read_image(path), SIZE))
    forbid_decoding(monkeypatch)
    again = open_images(paths, SIZE)
    assert np.array_equal(store.pixels, again.pixels)


@pytest.mark.parametrize("change", ["content", "touch", "size"])
def test_a_change_of_a_file_or_of_the_size_decodes_again(tmp_path: Path, change: str) -> None:
    paths = write_images(tmp_path / "images", 2)
    before = np.array(open_images(paths, SIZE).pixels)
    size = SIZE
    if change == "content":  # of the same length, with the old time of change put back
        stat = paths[0].stat()
        Image.new("RGB", (72, 80), "red").save(tmp_path / "red.png")
        paths[0].write_bytes((tmp_path / "red.png").read_bytes().ljust(stat.st_size, b"\0"))
        os.utime(paths[0], ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif change == "touch":
        os.utime(paths[0], ns=(0, 0))
    else:
        size = (SIZE[0], SIZE[1] + 1)
    after = open_images(paths, size).pixels
    assert np.array_equal(before, after) == (change == "touch")
    assert len(list(cache.cache_folder().iterdir())) == 2


def test_broken_files_are_told_apart_with_the_reason(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "images", 5)
    paths[1].write_bytes(b"nothing")
    paths[3].write_bytes(paths[3].read_bytes()[:100])
    for _ in range(2):  # the second time from the cache
        store = open_images(paths, SIZE)
        assert [Path(name).name for name in store.names] == [paths[i].name for i in (0, 2, 4)]
        assert list(store.broken) == [str(paths[1]), str(paths[3])]
        assert all(store.broken.values())
        assert store.pixels.shape[0] == 3
        assert np.array_equal(store.pixels[1], scaled(read_image(paths[2]), SIZE))


def test_what_was_unreadable_for_a_moment_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_images(tmp_path / "images", 2)
    with monkeypatch.context() as patch:
        patch.setattr(cache, "_decode", lambda path, **how: DataError("input/output error"))
        assert len(open_images(paths, SIZE).broken) == 2
    assert open_images(paths, SIZE).broken == {}


@pytest.mark.parametrize("damage", ["no pixels", "cut pixels", "empty index", "no index"])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, damage: str) -> None:
    paths = write_images(tmp_path / "images", 2)
    before = np.array(open_images(paths, SIZE).pixels)
    (place,) = cache.cache_folder().iterdir()
    if "pixels" in damage:
        content = (place / "pixels.npy").read_bytes()
        (place / "pixels.npy").unlink()
        if damage == "cut pixels":
            (place / "pixels.npy").write_bytes(content[:-50])
    elif damage == "empty index":
        (place / "index.json").write_text("")
    else:
        (place / "index.json").unlink()
    assert np.array_equal(open_images(paths, SIZE).pixels, before)


def test_only_so_many_images_wait_to_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_images(tmp_path / "images", 1) * 50
    monkeypatch.setattr(cache, "MAX_WAITING", 5)
    decode, started = cache._decode, []
    monkeypatch.setattr(cache, "_decode", lambda path, **how: started.append(path) or decode(path, **how))
    most_ahead = 0

    def told(done: int, count: int) -> None:
        nonlocal most_ahead
        most_ahead = max(most_ahead, len(started) - done)

    assert len(open_images(paths, SIZE, progress=told).names) == 50
    assert 0 < most_ahead <= 5


def test_a_link_is_the_file_it_leads_to(tmp_path: Path) -> None:
    (path,) = write_images(tmp_path / "images", 1)
    (tmp_path / "link.png").symlink_to(path)
    (tmp_path / "folder").symlink_to(tmp_path / "images")
    open_images([path], SIZE)
    open_images([tmp_path / "link.png"], SIZE)
    open_images([tmp_path / "folder" / path.name], SIZE)
    assert len(list(cache.cache_folder().iterdir())) == 1


def test_abandoned_caches_are_removed_after_a_day(tmp_path: Path) -> None:
    folders = [cache.cache_folder() / f".{name}.x" for name in ("old", "new")]
    for folder in folders:
        folder.mkdir(parents=True)
    os.utime(folders[0], (0, 0))
    open_images(write_images(tmp_path / "images", 1), SIZE)
    assert [folder.exists() for folder in folders] == [False, True]


def _open(paths: list[Path], barrier: object) -> int:
    barrier.wait()  # pyright: ignore[reportAttributeAccessIssue]
    return int(np.asarray(open_images(paths, SIZE).pixels).sum())


def test_two_processes_may_start_at_once(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "images", 8)
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(2) as pool:
        sums = pool.starmap(_open, [(paths, manager.Barrier(2))] * 2)
    assert sums[0] == sums[1] == int(np.asarray(open_images(paths, SIZE).pixels).sum())
    assert [path.name for path in cache.cache_folder().iterdir() if path.name.startswith(".")] == []


def test_an_interrupted_build_leaves_nothing_that_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_images(tmp_path / "images", 3)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache, "_decode", interrupt)
        with pytest.raises(KeyboardInterrupt):
            open_images(paths, SIZE)
    assert list(cache.cache_folder().iterdir()) == []
    store = open_images(paths, SIZE)
    assert isinstance(store, ImageStore)


def test_a_disk_too_small_is_said_before_decoding(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "images", 1)
    with pytest.raises(DataError, match="NICEGAN_CACHE"):
        open_images(paths, (10_000_000, 10_000_000))
