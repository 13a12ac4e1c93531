"""A disk or quota that fills up while images are decoded: a message, not a killed process."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import write_images
from tests.end_to_end.test_runs import ONE_THREAD
from tests.faults.test_kills import mounted

from nicegan.data import cache
from nicegan.data.cache import open_images
from nicegan.errors import DataError

SIZE = (256, 256)
NUM_IMAGES = 12  # 2.4 MB, decoded
DECODE = """
import sys
from pathlib import Path
from nicegan.data import cache
from nicegan.errors import DataError

cache._check_space = lambda folder, num_bytes: None  # it sees no quota
try:
    cache.open_images(sorted(Path(sys.argv[1]).iterdir()), (256, 256))
except DataError as problem:
    print(problem)
"""


def test_a_full_quota_is_said_in_a_line(tmp_path: Path) -> None:
    write_images(tmp_path / "images", NUM_IMAGES)
    with mounted(tmp_path / "small", "size=1m") as place:
        done = subprocess.run(
            [sys.executable, "-c", DECODE, str(tmp_path / "images")],
            capture_output=True,
            text=True,
            check=False,
            env={**ONE_THREAD, "NICEGAN_CACHE": str(place / "cache")},
        )
        assert done.returncode == 0, f"{done.returncode} {done.stderr}"
        assert done.stdout.startswith(f"cannot write the image cache {place}/cache: No space left on device; ")
        assert len(done.stdout.splitlines()) == 1
        assert not list((place / "cache").iterdir()), "nothing is left"


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.ENOSPC, errno.EFBIG])
def test_what_the_system_refuses_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(descriptor: int, start: int, num_bytes: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    with pytest.raises(DataError, match=f"cannot write the image cache .*: {os.strerror(number)}; set NICEGAN_CACHE"):
        open_images(write_images(tmp_path / "images", 2), SIZE)


def without_the_system_call(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    def unknown(descriptor: int, start: int, num_bytes: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    if system == "macOS":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    else:
        monkeypatch.setattr(os, "posix_fallocate", unknown, raising=False)


@pytest.mark.parametrize("system", ["macOS", "another file system"])
def test_without_the_system_call_the_space_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    without_the_system_call(monkeypatch, system)
    monkeypatch.setattr(cache, "ZEROS", bytes(100_000))  # no divisor of the size
    path = tmp_path / "pixels.npy"
    pixels = cache._mapped(path, (NUM_IMAGES, *SIZE, 3))
    assert os.stat(path).st_blocks * 512 >= pixels.nbytes == NUM_IMAGES * 256 * 256 * 3
    pixels[-1] = 7
    again = np.load(path)
    assert again.shape == pixels.shape
    assert (again[-1] == 7).all()
    assert not again[:-1].any()


@pytest.mark.parametrize("system", ["macOS", "another file system"])
def test_without_the_system_call_a_full_quota_is_said_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    without_the_system_call(monkeypatch, system)
    with mounted(tmp_path / "small", "size=1m") as place, pytest.raises(OSError, match="No space left"):
        cache._mapped(place / "pixels.npy", (NUM_IMAGES, *SIZE, 3))
