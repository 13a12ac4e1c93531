"""Reading tar shards: what is an image, that any place can be gone back to, and that damage is told."""

import io
import tarfile
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.tars import numbered, write_shards, write_tar

from nicegan.data import tar as shards
from nicegan.data.tar import Sample, Tar, read_content, refuse_broken_shards
from nicegan.errors import DataError


def samples_of(url: str | Path, offset: int = 0) -> list[Sample]:
    with closing(Tar(str(url))) as tar:
        return list(tar.samples(offset))


def names_of(url: str | Path) -> list[str]:
    return [sample.name for sample in samples_of(url)]


def test_a_sample_is_what_shares_a_name_up_to_the_first_dot(tmp_path: Path) -> None:
    image = numbered(1)
    members = [
        ("a.json", b"{}"), ("a.jpg", image), ("a.seg.png", image), ("a.txt", b""),
        ("b.txt", b""), ("b.cls", b"1"),
        ("c.PNG", image), ("deep/c.webp", image), ("deep/er/c.tiff", image),
        ("d.2024.jpg", image), ("e.jpg.txt", image), ("f", image),
        (".g.jpg", image), ("._h.jpg", image), (".jpg", image),
        ("/absolute.jpg", image), ("../outside.bmp", image), ("a.jpeg", image),
    ]  # fmt: skip
    expected = ["a.jpg", "c.PNG", "deep/c.webp", "deep/er/c.tiff", "d.2024.jpg", "/absolute.jpg", "../outside.bmp"]
    assert names_of(write_tar(tmp_path / "x.tar", members)) == [*expected, "a.jpeg"]


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_dialect_with_long_and_odd_names(tmp_path: Path, style: int) -> None:
    folder = "f" * 90 if style == tarfile.USTAR_FORMAT else "f" * 300
    members = [(f"{folder}/ünï {number}.png", numbered(number)) for number in range(5)]
    path = write_tar(tmp_path / "x.tar", members, style)
    with tarfile.open(path) as independent:
        known = [(member.name, member.offset_data, member.size) for member in independent.getmembers()]
    assert [(sample.name, sample.start, sample.size) for sample in samples_of(path)] == known
    assert [read_content(sample) for sample in samples_of(path)] == [content for _, content in members]


def test_reading_from_any_sample_on_gives_the_rest(tmp_path: Path) -> None:
    ends = ("txt", "png", "b.png")
    names = [f"{'n' * (40 * (number % 5))}{number}.{end}" for number in range(20) for end in ends]
    members = [(name, numbered(number)) for number, name in enumerate(names)]
    path = write_tar(tmp_path / "x.tar", members)
    whole = samples_of(path)
    assert len(whole) == 20
    for place, sample in enumerate(whole):
        assert samples_of(path, sample.header) == whole[place:]


def test_content_may_be_read_on_the_way(tmp_path: Path) -> None:
    (url,) = write_shards(tmp_path, [30])
    with closing(Tar(url)) as tar:
        assert [tar.content(sample) for sample in tar.samples()] == [numbered(number) for number in range(30)]


def test_links_devices_folders_and_sparse_files_are_passed_over(tmp_path: Path) -> None:
    kinds = [tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE]
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for number, kind in enumerate(kinds):
            member = tarfile.TarInfo(f"{number}.png")
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        sparse = tarfile.TarInfo("sparse.png")
        sparse.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "1000000"}
        sparse.size = 1
        tar.addfile(sparse, io.BytesIO(b"x"))
        image = tarfile.TarInfo("real.png")
        image.size = len(numbered(1))
        tar.addfile(image, io.BytesIO(numbered(1)))
    assert names_of(tmp_path / "x.tar") == ["real.png"]


def damaged(content: bytes, at: int, by: bytes) -> bytes:
    return content[:at] + by + content[at + len(by) :]


@pytest.mark.parametrize("place", [512, 1000, 1024, 3000, 3072, 10_000])
def test_a_shard_cut_off_anywhere_is_told_at_the_door_and_while_reading(tmp_path: Path, place: int) -> None:
    (url,) = write_shards(tmp_path, [8])
    content = Path(url).read_bytes()
    Path(url).write_bytes(content[:place])
    with pytest.raises(DataError, match="1 of 1 tar shards cannot be used") as caught:
        refuse_broken_shards([url])
    assert url in str(caught.value)
    with pytest.raises(DataError, match="cut off, damaged or no tar") as caught:
        samples_of(url)
    assert "\n" not in str(caught.value)


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path: Path) -> None:
    (url,) = write_shards(tmp_path, [8])
    header = samples_of(url)[3].header
    Path(url).write_bytes(damaged(Path(url).read_bytes(), header + 148, b"777"))
    with closing(Tar(url)) as tar, pytest.raises(DataError, match=f"byte {header}"):
        list(tar.samples())


def test_a_header_may_not_be_huge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tar(tmp_path / "x.tar", [("n" * 5000 + ".png", numbered(1))])
    assert len(samples_of(path)) == 1
    monkeypatch.setattr(shards, "MAX_HEADER_BYTES", 4096)
    with pytest.raises(DataError, match="a header of more than 4,096 bytes"):
        samples_of(path)


def sized(size: int) -> bytes:
    """A header that says its member has this size, in the binary notation that allows any number."""
    header = bytearray(tarfile.TarInfo("bomb.png").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = size.to_bytes(12, "big", signed=True)
    header[124] |= 0x80
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


@pytest.mark.parametrize("size", [-512, -1024, -(2**60), 2**40, 2**62, 2**90])
def test_sizes_that_cannot_be_do_not_trap_it(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(tarfile.TarInfo("first.txt").tobuf() + sized(size) + bytes(2048))
    with pytest.raises(DataError, match="cut off, damaged or no tar"):
        samples_of(path)


def test_endless_sparse_headers_and_chains_end(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    member = tarfile.TarInfo("x.png")
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    member.size = 512
    path.write_bytes(member.tobuf(tarfile.PAX_FORMAT) + b"9999999\n" + b"1" * 504)
    with pytest.raises(DataError, match="cut off, damaged or no tar"):
        samples_of(path)
    long = tarfile.TarInfo("././@LongLink")
    long.type = tarfile.GNUTYPE_LONGNAME
    path.write_bytes(long.tobuf(tarfile.GNU_FORMAT) * 20_000)
    with pytest.raises(DataError, match="cut off, damaged or no tar"):
        samples_of(path)


def test_all_local_shards_that_cannot_be_used_are_listed(tmp_path: Path) -> None:
    good = write_shards(tmp_path, [2])
    bad = {name: tmp_path / f"{name}.tar" for name in ("missing", "folder", "empty", "text", "noise", "gzip")}
    bad["folder"].mkdir()
    bad["empty"].touch()
    bad["text"].write_text("no tar\n" * 500)
    bad["noise"].write_bytes(b"\xff" * 5000 + bytes(1024))
    with tarfile.open(bad["gzip"], "w:gz") as tar:
        tar.add(good[0])
    with pytest.raises(DataError) as caught:
        refuse_broken_shards([*good, "memory://not/looked/at.tar", *map(str, bad.values())])
    headline, *lines = str(caught.value).splitlines()
    assert headline == "6 of 8 tar shards cannot be used: put them there, or write them anew"
    assert [line.split("'")[1] for line in lines] == [str(path) for path in bad.values()]
    assert "No such file" in lines[0]
    assert "regular" in lines[1]


def test_a_tar_without_members_is_whole(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", [])
    refuse_broken_shards([str(path)])
    assert samples_of(path) == []


def test_a_url_is_read_like_a_file(tmp_path: Path) -> None:
    import fsspec

    (url,) = write_shards(tmp_path, [6])
    fsspec.filesystem("memory").pipe("/shards/a.tar", Path(url).read_bytes())
    there = samples_of("memory://shards/a.tar")
    assert [sample[1:] for sample in there] == [sample[1:] for sample in samples_of(url)]
    assert [read_content(sample) for sample in there] == [numbered(number) for number in range(6)]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("memory://nowhere/a.tar", "FileNotFoundError"),
        ("nothing://host/a.tar", "Protocol not known"),
        ("s3://bucket/a.tar", "Install s3fs"),
        ("https://host.invalid/a.tar", "requires .*aiohttp"),
    ],
)
def test_a_url_that_cannot_be_read_gets_one_line(url: str, reason: str) -> None:
    if any(find_spec(package) for package in ("s3fs", "aiohttp") if package in reason):
        pytest.skip(f"what is said without a package: it is installed: {reason}")
    with pytest.raises(DataError, match=reason) as caught:
        Tar(url)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(url)
