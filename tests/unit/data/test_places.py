"""What a user may name: folders, lists, shards; and what is said of anything else."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import write_images

from nicegan.data.places import Files, ImageSource, Tars, expand_braces, find_dataset, find_source
from nicegan.errors import DataError


def count(source: ImageSource | None) -> int:
    assert source is None or isinstance(source, Files)
    return len(source.paths) if source else 0


def test_a_dataset(dataset: Path) -> None:
    assert [count(source) for source in find_dataset(dataset, None, None)] == [6, 5, 3, 3]


def test_two_folders(dataset: Path) -> None:
    found = find_dataset(None, str(dataset / "trainA"), str(dataset / "trainB"))
    assert [count(source) for source in found] == [6, 5, 0, 0]


def test_an_empty_folder_of_test_images_is_none(dataset: Path) -> None:
    for path in (dataset / "testB").iterdir():
        path.unlink()
    assert [count(source) for source in find_dataset(dataset, None, None)] == [6, 5, 3, 0]


def test_every_split_may_be_another_kind(dataset: Path) -> None:
    (dataset / "trainA").rename(dataset / "cats")
    names = [f"cats/{path.name}" for path in sorted((dataset / "cats").iterdir())]
    (dataset / "trainA.txt").write_text("\n".join(names))
    (dataset / "testB").rename(dataset / "dogs")
    for name in ("testB-1.tar", "testB-0.tar", "testB.tar"):
        (dataset / name).touch()
    found = find_dataset(dataset, None, None)
    assert isinstance(found.train_a, Files)
    assert found.train_a.paths == [dataset / name for name in names]
    tars = [str(dataset / name) for name in ("testB-0.tar", "testB-1.tar", "testB.tar")]
    assert found.test_b == Tars(str(dataset / "testB*.tar"), tars)


def test_two_kinds_of_one_split_are_refused(dataset: Path) -> None:
    (dataset / "trainB.txt").touch()
    (dataset / "trainB-00.tar").touch()
    said = "has the folder trainB and the list trainB.txt and the shards trainB*.tar: leave one"
    with pytest.raises(DataError, match=re.escape(said)):
        find_dataset(dataset, None, None)


def test_missing_empty_and_equal_domains(dataset: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    a = str(dataset / "trainA")
    tar = tmp_path / "a.tar"
    tar.touch()
    (tmp_path / "a.txt").write_text("x.png")
    (tmp_path / "other.tar").symlink_to(tar)
    cases = [
        ((tmp_path / "nowhere", None, None), "is not a folder"),
        ((empty, None, None), "no trainA and no trainB"),
        ((None, a, None), "both --domain-a and --domain-b"),
        ((None, a, a), "same folder"),
        ((None, a, str(dataset / "testA" / ".." / "trainA")), "same folder"),
        ((None, str(tmp_path / "a.txt"), str(tmp_path / "a.txt")), "same list"),
        ((None, str(tmp_path / "other.tar"), str(tmp_path / "{a,b}.tar")), f"same shard, {tar}"),
        ((None, "memory://x/{0..3}.tar", "memory://x/2.tar"), "same shard, memory://x/2.tar"),
        ((None, a, str(empty)), "holds no images"),
        ((dataset, a, None), "not both"),
    ]
    for arguments, message in cases:
        with pytest.raises(DataError, match=message) as caught:
            find_dataset(*arguments)
        assert "\n" not in str(caught.value)


def test_lists_are_read_as_people_write_them(tmp_path: Path) -> None:
    lines = ["one.png", "", "deep/two words.jpg\r", "  ", "/elsewhere/drei.tiff", "ünï .png"]
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "\n".join(lines).encode())
    source = find_source(str(path))
    assert isinstance(source, Files)
    expected = [tmp_path / "one.png", tmp_path / "deep/two words.jpg", Path("/elsewhere/drei.tiff")]
    assert source.paths == [*expected, tmp_path / "ünï .png"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "names no images"), (b"\n \n\r\n", "names no images"), (b"one.png\n\xff.png", r"not UTF-8 text \(byte 8\)")],
)
def test_lists_that_cannot_be_used(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        find_source(str(tmp_path / "list.txt"))


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("nothing", "is not a folder, a list of images"),
        ("image.png", "is not a folder, a list of images"),
        ("missing.txt", "is not a folder, a list of images"),
        ("a\0b.tar", "cannot be a path"),
        ("a.tar.gz", "is compressed"),
        ("a.tgz", "is compressed"),
        ("s3://bucket/folder", "a URL must name tar shards"),
        ("s3://bucket/list.txt", "a URL must name tar shards"),
        ("none-*.tar", "no tar shard matches"),
        ("{5..1}.tar", "stands for 0 shards"),
        ("{0..999999999999}.tar", "stands for 1,000,000,000,000 shards"),
        ("{0..999}{0..999}{0..999}.tar", "stands for 1,000,000,000 shards"),
    ],
)
def test_what_is_no_place(tmp_path: Path, named: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path, 1)[0].rename(tmp_path / "image.png")
    with pytest.raises(DataError, match=message):
        find_source(named)


def test_shards_by_pattern(tmp_path: Path) -> None:
    for name in ("b-2.tar", "b-10.tar", "b-1.tar", "odd{1,2}[x].tar"):
        (tmp_path / name).touch()

    def named(pattern: str) -> list[str]:
        source = find_source(str(tmp_path / pattern))
        assert isinstance(source, Tars)
        return [Path(url).name for url in source.urls]

    assert named("b-*.tar") == ["b-1.tar", "b-10.tar", "b-2.tar"]
    assert named("b-{1..3}.tar") == ["b-1.tar", "b-2.tar", "b-3.tar"], "missing ones are told later, all together"
    assert named("odd{1,2}[x].tar") == ["odd{1,2}[x].tar"], "what is there is meant as it stands"
    assert find_source(f"file://{tmp_path}/b-1.tar") == Tars(f"{tmp_path}/b-1.tar", [f"{tmp_path}/b-1.tar"])


def test_braces() -> None:
    assert expand_braces("a-{08..11}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]
    assert expand_braces("a-{8..11}.tar") == ["a-8.tar", "a-9.tar", "a-10.tar", "a-11.tar"]
    assert expand_braces("{day,night}-{0..1}") == ["day-0", "day-1", "night-0", "night-1"]
    assert expand_braces("{a..b}{x}") == ["{a..b}{x}"]


@given(st.text(alphabet="{}.,0123ab", max_size=14))
def test_any_pattern_is_expanded_or_refused(pattern: str) -> None:
    with contextlib.suppress(DataError):
        assert expand_braces(pattern)


def test_a_url_with_a_glob(tmp_path: Path) -> None:
    import fsspec

    system = fsspec.filesystem("memory")
    for name in ("c-2.tar", "c-1.tar", "d.tar"):
        system.pipe(f"/globbed/{name}", b"")
    source = find_source("memory://globbed/c-*.tar")
    assert source == Tars("memory://globbed/c-*.tar", ["memory:///globbed/c-1.tar", "memory:///globbed/c-2.tar"])
    for pattern in ("memory://globbed/x-*.tar", "memory://nowhere/*.tar"):
        with pytest.raises(DataError, match="no tar shard matches"):
            find_source(pattern)
