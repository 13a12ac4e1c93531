"""Archives from a stranger: the images arrive, and nothing else does, nowhere else."""

import random
import shutil
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from tests.archives import COUNTS, archive_of, dataset_files, zipped
from tests.tars import numbered

from nicegan.data import archive as module
from nicegan.data.archive import unpack
from nicegan.data.catalogue import SPLITS
from nicegan.errors import DataError

IMAGE = numbered(1)
GOOD = list(dataset_files().items())


def unpacked(tmp_path: Path, content: bytes, *, holds_out: bool = False) -> list[str]:
    archive, folder = tmp_path / "set.zip", tmp_path / "deep" / "set"
    archive.write_bytes(content)
    unpack(archive, folder, holds_out=holds_out)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def unpacked_names() -> list[str]:
    return sorted(f"{split}/{k}.png" for split, count in zip(SPLITS, COUNTS, strict=True) for k in range(count))


def refusal(tmp_path: Path, content: bytes) -> str:
    with pytest.raises(DataError) as caught:
        unpacked(tmp_path, content)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def linked(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (kind | 0o777) << 16
    return info


def test_images_arrive_and_nothing_else(tmp_path: Path) -> None:
    assert unpacked(tmp_path, archive_of()) == unpacked_names()
    assert (tmp_path / "deep/set/trainB/2.png").read_bytes() == numbered(102)


def test_an_archive_without_a_folder_around_it(tmp_path: Path) -> None:
    assert unpacked(tmp_path, zipped([("trainA/1.jpg", IMAGE), ("trainB/1.jpg", IMAGE)])) == [
        "trainA/1.jpg",
        "trainB/1.jpg",
    ]


def test_test_images_are_held_out(tmp_path: Path) -> None:
    content = archive_of({**dataset_files(), "horse2zebra/trainA/again.png": numbered(200)})
    assert numbered(200) == dataset_files()["horse2zebra/testA/0.png"]
    assert "trainA/again.png" in unpacked(tmp_path, content)
    shutil.rmtree(tmp_path / "deep")
    assert unpacked(tmp_path, content, holds_out=True) == unpacked_names()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../../escaped.png", "leads out"),
        ("horse2zebra/trainA/../../../escaped.png", "leads out"),
        ("/tmp/escaped.png", "leads out"),
        ("..\\..\\escaped.png", "leads out"),
        ("C:/escaped.png", "leads out"),
        ("horse2zebra/trainA/a\nb.png", "leads out"),
        ("horse2zebra/trainA/a\0b.png", "leads out"),
        (f"horse2zebra/trainA/{'a' * 300}.png", "too long a name"),
        ("other/trainA/0.png", "is in it twice"),
        ("horse2zebra/trainA/0.PNG", "is in it twice"),
        (linked("horse2zebra/trainA/link.png", stat.S_IFLNK), "link or a device"),
        (linked("horse2zebra/trainA", stat.S_IFLNK), "link or a device"),
        (linked("horse2zebra/trainA/pipe.png", stat.S_IFIFO), "link or a device"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_hostile_path_is_refused_before_anything_is_written(
    name: str | zipfile.ZipInfo, message: str, tmp_path: Path
) -> None:
    if isinstance(name, str) and "\0" in name:
        content = zipped([*GOOD, (name.replace("\0", "?"), b"/etc/passwd")]).replace(b"a?b", b"a\0b")
    else:
        content = zipped([*GOOD, (name, b"/etc/passwd")])
    assert message in refusal(tmp_path, content)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["set.zip"]


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "more than images do" in refusal(tmp_path, zipped([*GOOD, ("horse2zebra/trainA/b.png", bytes(10_000_000))]))
    other = zipped([*GOOD, ("horse2zebra/trainA/b.png", IMAGE)], zipfile.ZIP_LZMA)
    assert "another way than deflate" in refusal(tmp_path, other)
    monkeypatch.setattr(module, "MAX_FILES", 5)
    assert "more than 5" in refusal(tmp_path, archive_of())
    monkeypatch.setattr(module, "MAX_DIRECTORY", 100)
    assert "list of files is longer" in refusal(tmp_path, archive_of())
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["set.zip"]


def test_a_list_in_the_form_for_millions_of_files_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)  # so that zipfile writes that form
    content = archive_of()
    monkeypatch.undo()
    assert b"PK\x06\x07" in content
    assert "list of files is longer" in refusal(tmp_path, content)


def test_a_size_that_lies_is_noticed(tmp_path: Path) -> None:
    """The list claims a byte where there are ten million: reading ends at the byte, and the checksum tells."""
    honest = zipped([*GOOD, ("horse2zebra/trainA/bomb.png", bytes(10_000_000))])
    lying = honest.replace(struct.pack("<L", 10_000_000), struct.pack("<L", 1))
    assert lying != honest
    assert "CRC" in refusal(tmp_path, lying)
    assert sum(path.stat().st_size for path in (tmp_path / "deep").rglob("bomb.png")) <= 1


def test_damaged_archives_are_one_line(tmp_path: Path) -> None:
    good = archive_of()
    assert "no images in trainB" in refusal(tmp_path, zipped([("trainA/1.png", IMAGE)]))
    for content in (b"", b"<html>sign in</html>", good[:-30], good[: len(good) // 2]):
        assert "cannot be read as a zip archive" in refusal(tmp_path, content)
    at = good.index(b"PK\x03\x04", good.index(b"trainA/0.png")) - 20  # within the data of the first image
    changed = good[:at] + bytes(8) + good[at + 8 :]
    assert changed != good
    assert "cannot be read" in refusal(tmp_path, changed)
    shutil.rmtree(tmp_path / "deep")
    with_password = good.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")
    assert with_password != good
    assert "encrypted" in refusal(tmp_path, with_password)


def test_random_damage_never_escapes_and_is_one_line(tmp_path: Path) -> None:
    good, chance = archive_of(), random.Random(0)
    for _ in range(60):
        content = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            unpacked(tmp_path, bytes(content))
        except DataError as problem:
            assert "\n" not in str(problem)
        shutil.rmtree(tmp_path / "deep", ignore_errors=True)
        assert [path.name for path in tmp_path.iterdir()] == ["set.zip"]
