"""Known sets, fetched from a server on localhost that breaks off, lies and changes; killed, full, and in company."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.archives import COUNTS, NAME, archive_of, dataset_files, known_as, zipped
from tests.servers import Server, file_server

from nicegan.data import catalogue, fetch
from nicegan.data.catalogue import SPLITS, KnownSet, measure
from nicegan.data.fetch import Watch, fetch_dataset
from nicegan.data.places import Files, find_dataset
from nicegan.errors import ConfigError, DataError

CONTENT = archive_of()
Usage = namedtuple("Usage", "total used free")  # of shutil.disk_usage


@pytest.fixture
def server() -> Iterator[Server]:
    with file_server(CONTENT) as running:
        yield running


@pytest.fixture(autouse=True)
def known(server: Server, monkeypatch: pytest.MonkeyPatch) -> KnownSet:
    entry = known_as(CONTENT, server.url)
    monkeypatch.setitem(catalogue.CATALOGUE, NAME, entry)
    return entry


@pytest.fixture
def unknown(server: Server, monkeypatch: pytest.MonkeyPatch) -> KnownSet:
    """As cat2dog: neither size nor checksum are known."""
    entry = KnownSet(NAME, (server.url,), "painted", counts=COUNTS, holds_out=True)
    monkeypatch.setitem(catalogue.CATALOGUE, NAME, entry)
    return entry


def told() -> tuple[list[str], Watch]:
    lines: list[str] = []
    return lines, Watch(lines.append)


def test_a_set_is_fetched_once(server: Server, own_cache: Path) -> None:
    lines, watch = told()
    folder = fetch_dataset(NAME, watch=watch)
    assert folder == own_cache / "datasets" / NAME
    assert tuple(measure(folder).counts.values()) == COUNTS
    assert json.loads((folder / "source.json").read_text())["checksum_was_known"] is True
    assert [path.name for path in (folder.parent / ".downloads").iterdir()] == [f"{NAME}.lock"]
    assert server.url in lines[0]
    assert lines[1] == "licence: painted"
    assert lines[2].startswith(f"{NAME}: 3 + 4 training and 2 + 3 test images")
    assert fetch_dataset(NAME, watch=watch) == folder
    assert len(server.asked) == 1, "what is there is not asked for"
    found = find_dataset(Path(NAME), None, None)
    assert isinstance(found.train_b, Files)
    assert len(found.train_b.paths) == 4


def test_source_and_licence_come_before_the_first_byte(server: Server) -> None:
    server.status = 404
    lines, watch = told()
    with pytest.raises(DataError, match="404"):
        fetch_dataset(NAME, watch=watch)
    assert len(lines) == 2


def test_another_folder(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetch_dataset(NAME, tmp_path / "to") == tmp_path / "to" / NAME
    monkeypatch.setenv("NICEGAN_DATA", str(tmp_path / "named"))
    assert fetch_dataset(NAME) == tmp_path / "named" / NAME


def test_an_interrupted_fetch_goes_on(server: Server) -> None:
    server.break_after = 1000
    with pytest.raises(DataError, match="broke off at 1000 of .* it will go on"):
        fetch_dataset(NAME)
    server.break_after = None
    assert fetch_dataset(NAME).is_dir()
    assert server.asked == [None, "bytes=1000-"]


def test_a_file_that_changes_between_attempts(server: Server) -> None:
    server.content, server.tag, server.break_after = CONTENT[::-1], '"older"', 1000
    with pytest.raises(DataError, match="broke off"):
        fetch_dataset(NAME)
    server.content, server.tag, server.break_after = CONTENT, '"one"', None
    assert tuple(measure(fetch_dataset(NAME)).counts.values()) == COUNTS


def test_an_unknown_checksum_is_said_and_recorded(server: Server, unknown: KnownSet) -> None:
    lines, watch = told()
    folder = fetch_dataset(NAME, watch=watch)
    [said] = [line for line in lines if "could not be verified" in line]
    assert "is recorded" in said
    shutil.rmtree(folder)
    lines.clear()
    fetch_dataset(NAME, watch=watch)
    assert "is the one of the first fetch" in "".join(lines)
    shutil.rmtree(folder)
    server.content = archive_of({**dataset_files(), f"{NAME}/trainA/new.png": b"new"})
    with pytest.raises(DataError, match="has the checksum .*, not .*: remove it"):
        fetch_dataset(NAME)


def test_the_split_is_compared_with_the_usual_one(server: Server, unknown: KnownSet) -> None:
    again = {**dataset_files(), f"{NAME}/trainA/again.png": dataset_files()[f"{NAME}/testA/0.png"]}
    server.content = archive_of(again)
    lines, watch = told()
    folder = fetch_dataset(NAME, watch=watch)
    assert tuple(measure(folder).counts.values()) == COUNTS, "test images do not train"
    assert "warning" not in "".join(lines)
    server.content = archive_of(dataset_files(counts=(3, 4, 3, 3)))
    (folder.parent / f".downloads/{NAME}.zip.sha256").unlink()
    shutil.rmtree(folder)
    fetch_dataset(NAME, watch=watch)
    assert "warning: this is not the usual split: testA should hold 2" in lines[-1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped([*dataset_files().items(), ("../../../escaped.png", b"x")]), "leads out of its folder"),
        (zipped([*dataset_files().items(), (f"{NAME}/trainA/b.png", bytes(10**7))]), "more than images do"),
        (b"<html>sign in to this network</html>", "cannot be read as a zip archive"),
    ],
    ids=["escape", "bomb", "page"],
)
def test_a_hostile_archive_leaves_nothing(content: bytes, reason: str, server: Server, unknown: KnownSet) -> None:
    server.content = content
    with pytest.raises(DataError, match=f"refused and removed: .*{reason}") as caught:
        fetch_dataset(NAME)
    assert "\n" not in str(caught.value)
    parent = catalogue.datasets_folder()
    assert [str(path.relative_to(parent)) for path in parent.rglob("*")] == [".downloads", f".downloads/{NAME}.lock"]
    server.content = CONTENT
    assert fetch_dataset(NAME).is_dir(), "and no record is in the way of the right one"


def test_what_is_in_the_way_stays(server: Server, tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="is in the way"):
        fetch_dataset(NAME, tmp_path)
    assert (tmp_path / NAME / "mine.txt").read_text() == "mine"
    assert server.asked == []


def test_a_damaged_set_is_noticed(server: Server) -> None:
    folder = fetch_dataset(NAME)
    (folder / "trainB/1.png").unlink()
    with pytest.raises(DataError, match="1 of its 12 images are missing.: remove it, and get it again"):
        fetch_dataset(NAME)
    (folder / "trainB/1.png").write_bytes(b"x")
    with pytest.raises(DataError, match="its images are others"):
        fetch_dataset(NAME)


def test_what_a_file_manager_leaves_is_no_damage(server: Server) -> None:
    folder = fetch_dataset(NAME)
    (folder / "trainA/.DS_Store").write_bytes(b"x")
    (folder / "trainA/@eaDir").mkdir()
    assert fetch_dataset(NAME) == folder


def test_a_full_disk_is_one_line(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: Usage(9, 9, len(CONTENT)))
    with pytest.raises(DataError, match=r"needs 0.0 MB to be unpacked, but .* free: name a folder on a larger disk"):
        fetch_dataset(NAME)
    assert server.asked == []
    monkeypatch.undo()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_disk_that_fills_while_unpacking_is_one_line(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object, **__: object) -> None:
        with open("/dev/full", "wb") as file:
            file.write(b"x" * 100_000)

    monkeypatch.setattr(fetch, "unpack", fill)
    with pytest.raises(DataError, match="cannot write .*: No space left on device; name a folder with --to"):
        fetch_dataset(NAME)
    monkeypatch.undo()


PROGRAM = """
import sys
from nicegan.data import catalogue
from tests.archives import NAME, archive_of, known_as
catalogue.CATALOGUE[NAME] = known_as(archive_of(), sys.argv[1])
from nicegan.cli import main
main(["data", "get", NAME])
"""


def start(server: Server) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, server.url], stderr=subprocess.PIPE, text=True, env=os.environ.copy()
    )


def wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(3000):
        if is_so():
            return
        time.sleep(0.02)
    raise TimeoutError


def test_a_killed_fetch_goes_on(server: Server) -> None:
    server.pause_after = 1000
    process = start(server)
    part = catalogue.datasets_folder() / f".downloads/{NAME}.zip.part"
    wait_until(lambda: part.is_file() and part.stat().st_size > 0)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    have = part.stat().st_size
    assert 0 < have < len(CONTENT)
    server.pause_after = None
    assert fetch_dataset(NAME).is_dir()
    assert server.asked == [None, f"bytes={have}-"]


def test_two_processes_fetch_one_set(server: Server) -> None:
    server.pause_after = 1000
    first = start(server)
    wait_until(lambda: bool(server.asked))
    second = start(server)
    assert second.stderr is not None
    said = second.stderr.readline()
    server.pause_after = None
    ends = [process.communicate()[1] for process in (first, second)]
    assert said == f"another process fetches {NAME}: waiting for it\n"
    assert (first.returncode, second.returncode) == (0, 0), ends
    assert len(server.asked) == 1
    assert tuple(measure(catalogue.datasets_folder() / NAME).counts.values()) == COUNTS


def test_an_unknown_name() -> None:
    with pytest.raises(ConfigError, match="there is no data set 'hors2zebra': did you mean horse2zebra"):
        fetch_dataset("hors2zebra")


def test_the_catalogue_is_what_it_says() -> None:
    names = [known.name for known in catalogue.CATALOGUE.values() if known.sha256]
    assert len(names) == len(set(names)) == 10
    for entry in catalogue._SETS:
        assert (entry.sha256 is None) == (entry.num_bytes is None) == (entry.name == "cat2dog")
        assert entry.sha256 is None or len(entry.sha256) == 64
        assert all(url.endswith(f"/{entry.name}.zip") for url in entry.urls)
    assert len({entry.sha256 for entry in catalogue._SETS}) == len(catalogue._SETS)
    assert SPLITS == ("trainA", "trainB", "testA", "testB")
