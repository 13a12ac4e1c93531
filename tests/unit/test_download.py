"""Downloads from a server that breaks off, knows no ranges, lies about sizes, or is not there."""

import errno
import hashlib
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.servers import Server, file_server

from nicegan.download import download
from nicegan.errors import DataError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with file_server(CONTENT) as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "networks" / "file.bin"


def part_of(path: Path) -> Path:
    return path.with_name("file.bin.part")


def leave_part(path: Path, content: bytes, tag: str = "") -> None:
    path.parent.mkdir(exist_ok=True)
    part_of(path).write_bytes(content)
    path.with_name("file.bin.part.tag").write_text(tag)


def test_a_known_file(server: Server, path: Path) -> None:
    seen = []
    found = download(server.url, path, sha256=SUM, size=len(CONTENT), progress=lambda *numbers: seen.append(numbers))
    assert found == (path, SUM, True)
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert sorted(path.name for path in path.parent.iterdir()) == ["file.bin"]
    assert download("http://127.0.0.1:9/file.bin", path, sha256=SUM).verified  # there already: no network is needed
    assert len(server.asked) == 1


def test_trust_on_first_use(server: Server, path: Path) -> None:
    assert download(server.url, path) == (path, SUM, False)
    assert download(server.url, path) == (path, SUM, True)
    path.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(DataError, match="checksum .* remove it"):
        download(server.url, path)
    path.unlink()
    assert download(server.url, path).verified  # held to the record even when downloaded anew


def test_a_file_put_there_by_hand_is_recorded(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    assert not download("http://127.0.0.1:9/file.bin", path).verified
    assert path.with_name("file.bin.sha256").read_text().strip() == SUM


def test_an_interrupted_download_goes_on(server: Server, path: Path) -> None:
    server.break_after = 1_500_000
    with pytest.raises(DataError, match="broke off at 1500000 of 3000000 bytes"):
        download(server.url, path)
    assert not path.exists()
    server.break_after = 1_000_000
    with pytest.raises(DataError, match="broke off at 2500000 of 3000000 bytes"):
        download(server.url, path)
    server.break_after = None
    assert download(server.url, path, sha256=SUM).sha256 == SUM
    assert server.asked == [None, "bytes=1500000-", "bytes=2500000-"]
    assert not part_of(path).exists()


def test_a_server_without_ranges_starts_over(server: Server, path: Path) -> None:
    server.knows_ranges = False
    leave_part(path, b"x" * 1_000_000)
    assert download(server.url, path).sha256 == SUM
    assert server.asked == ["bytes=1000000-"]


def test_a_file_that_changed_meanwhile_starts_over(server: Server, path: Path) -> None:
    leave_part(path, b"x" * 1_000_000, tag='"another"')
    assert download(server.url, path).sha256 == SUM


def test_a_part_that_is_too_long_starts_over(server: Server, path: Path) -> None:
    leave_part(path, b"x" * 3_000_001)
    assert download(server.url, path).sha256 == SUM
    assert server.asked == ["bytes=3000001-", None]


def test_a_wrong_checksum_is_not_kept(server: Server, path: Path) -> None:
    with pytest.raises(DataError, match=f"checksum {SUM}, not {'0' * 64}: removed"):
        download(server.url, path, sha256="0" * 64)
    assert list(path.parent.glob("file.bin.part")) == []
    assert not path.exists()


def test_a_wrong_size_is_said_before_downloading(server: Server, path: Path) -> None:
    with pytest.raises(DataError, match="has 3000000 bytes where 5 are expected"):
        download(server.url, path, size=5)
    assert not part_of(path).exists()


def test_a_server_that_does_not_say_the_length(server: Server, path: Path) -> None:
    server.says_length = False
    assert download(server.url, path).sha256 == SUM
    path.unlink()
    with pytest.raises(DataError, match="or more, not 5: removed"):
        download(server.url, path, size=5)


def test_a_server_that_never_ends_is_left(server: Server, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nicegan.download.TIMEOUT_SECONDS", 2)
    server.says_length, server.pause_after = False, 100_000
    try:
        with pytest.raises(DataError, match="or more, not 5: removed"):
            download(server.url, path, size=5)
    finally:
        server.pause_after = None


def test_no_such_file_and_no_server(server: Server, path: Path) -> None:
    server.status = 404
    with pytest.raises(DataError, match="404 Not Found; .*put the file at"):
        download(server.url, path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/file.bin"
    with pytest.raises(DataError, match="Connection refused; .*put the file at"):
        download(url, path)
    for url in ("http://nowhere.invalid/file.bin", "nonsense", "http://[/x"):
        with pytest.raises(DataError, match="cannot download") as caught:
            download(url, path)
        assert "\n" not in str(caught.value)


def test_a_mirror_goes_on_where_the_first_server_broke_off(server: Server, path: Path) -> None:
    with file_server(CONTENT) as mirror:
        server.break_after, mirror.tag = 1_500_000, '"of the mirror"'
        seen: list[int] = []
        found = download([server.url, mirror.url], path, sha256=SUM, progress=lambda done, _: seen.append(done))
        assert found.verified
        assert seen == sorted(seen), "what is there is not fetched again"
        assert (server.asked, mirror.asked) == ([None], ["bytes=1500000-"])
        path.unlink()
        assert download([server.url, mirror.url], path).sha256 == SUM
        assert mirror.asked[1:] == [None], "of an unknown file nobody knows whether both have the same one"


def test_a_mirror_goes_on_where_the_network_is_lost(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, pieces = http.client.HTTPResponse.read1, iter(range(3))

    def lost(answer: http.client.HTTPResponse, size: int) -> bytes:
        if next(pieces, None) == 1:
            raise OSError(errno.EHOSTUNREACH, "No route to host")
        return read(answer, size)

    monkeypatch.setattr(http.client.HTTPResponse, "read1", lost)
    with file_server(CONTENT) as mirror:
        assert download([server.url, mirror.url], path, sha256=SUM).verified
        assert len(mirror.asked) == 1


def test_a_mirror_stands_in_for_a_server_that_is_wrong_or_gone(server: Server, path: Path) -> None:
    with file_server(CONTENT) as mirror:
        for wrong in ({"content": CONTENT[:-1] + b"?"}, {"content": CONTENT[:-9]}, {"status": 500}, {"length": 9}):
            for name, value in ({"content": CONTENT, "status": 200, "length": None} | wrong).items():
                setattr(server, name, value)
            assert download([server.url, mirror.url], path, sha256=SUM, size=len(CONTENT)).verified
            path.unlink()
        mirror.status = 404
        with pytest.raises(
            DataError, match=r"has 9 bytes where 3000000 .*; cannot download .*404 Not Found; with a net"
        ):
            download([server.url, mirror.url], path, sha256=SUM, size=len(CONTENT))


def test_no_mirror_is_asked_when_the_disk_is_full(server: Server, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("nicegan.download.os.fsync", full)
    with file_server(CONTENT) as mirror, pytest.raises(DataError, match=r"cannot write .*file.bin: No space left"):
        download([server.url, mirror.url], path)
    assert mirror.asked == []


def test_a_range_that_begins_elsewhere_starts_over(server: Server, path: Path) -> None:
    leave_part(path, CONTENT[:1_000_000])
    server.first = 1_000_001
    assert download(server.url, path).sha256 == SUM
    assert server.asked == ["bytes=1000000-", None]


def test_a_place_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        download(server.url, tmp_path / "file" / "file.bin")
