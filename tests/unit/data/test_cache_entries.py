"""What the cache holds, and that it stays within its limit."""

import os
import time
from pathlib import Path

import pytest
from tests.conftest import write_images

from nicegan.cli import cache as command
from nicegan.data.cache import open_images
from nicegan.data.cache_entries import entries
from nicegan.errors import ConfigError, DataError


def test_the_longest_unused_images_make_room(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NICEGAN_CACHE_GB", "0.00003")  # room for two sets of 64x64
    sets = [write_images(tmp_path / name, 1, seed=seed) for seed, name in enumerate("abc")]
    first = open_images(sets[0], (64, 64))
    open_images(sets[1], (64, 64))
    for age, entry in enumerate(reversed(entries(own_cache))):
        used = time.time() - 100 + age
        os.utime(entry.path / "index.json", (used, used))
    open_images(sets[0], (64, 64))  # used again, so that the second one goes
    open_images(sets[2], (64, 64))
    assert len(entries(own_cache)) == 2
    assert (first.pixels == open_images(sets[0], (64, 64)).pixels).all(), "what is open stays readable"
    monkeypatch.setenv("NICEGAN_CACHE_GB", "much")
    with pytest.raises(DataError, match="give a number of gigabytes"):
        open_images(sets[1], (64, 64))


def test_it_is_listed_and_cleared(tmp_path: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_images(write_images(tmp_path / "a", 2), (32, 32))
    assert command.run(["list"]) == 0
    assert "1 entry, 0.0 MB, in " in capsys.readouterr().out
    assert command.run(["clear", "--unused-for", "1"]) == 0
    assert len(entries(own_cache)) == 1
    assert command.run(["clear"]) == 0
    assert entries(own_cache) == []
    with pytest.raises(ConfigError, match="invalid choice"):
        command.run(["empty"])
