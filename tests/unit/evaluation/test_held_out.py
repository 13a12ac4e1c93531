"""Test images: those of lists and shards score as those of folders do, and what is wrong with them is named."""

import tempfile
from pathlib import Path

import pytest
from tests.feature_networks import write_network
from tests.tars import numbered, write_tar
from tests.unit.inference.test_translator import write_model

import nicegan
from nicegan.data.folders import find_images
from nicegan.errors import DataError
from nicegan.evaluation.held_out import read_test_images


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def as_lists(dataset: Path, out: Path) -> Path:
    out.mkdir()
    for domain in "AB":
        names = "\n".join(
            f"../{dataset.name}/test{domain}/{path.name}" for path in find_images(dataset / f"test{domain}")
        )
        (out / f"test{domain}.txt").write_text(names)
    return out


def as_shards(dataset: Path, out: Path) -> Path:
    """Two shards a domain, members of one name in both."""
    for domain in "AB":
        contents = [path.read_bytes() for path in find_images(dataset / f"test{domain}")]
        write_tar(out / f"test{domain}-0.tar", [("x.png", contents[0]), ("x.cls", b"7")])
        write_tar(out / f"test{domain}-1.tar", [("x.png", contents[1]), ("deep/x.png", contents[2])])
    return out


@pytest.mark.parametrize("kind", [as_lists, as_shards])
def test_a_model_scores_alike_on_folders_lists_and_shards(
    kind, dataset: Path, tmp_path: Path, own_temporary_folder: Path
) -> None:
    model, features = write_model(tmp_path / "model.safetensors"), write_network(tmp_path / "means.pt")
    rival = write_model(tmp_path / "rival.safetensors")
    expected = nicegan.evaluate_model(model, dataset, features, against=rival, device="cpu")
    found = nicegan.evaluate_model(model, kind(dataset, tmp_path / "other"), features, against=rival, device="cpu")
    for direction, one in found.items():
        assert one.paired
        assert one.num_real == 3
        assert one.candidates == expected[direction].candidates
        assert one.difference == expected[direction].difference
    assert list(own_temporary_folder.iterdir()) == []


def test_two_images_of_one_stem_are_two(dataset: Path, tmp_path: Path) -> None:
    dataset.joinpath("testA/image_001.png").rename(dataset / "testA/image_000.jpg")
    model, features = write_model(tmp_path / "model.safetensors"), write_network(tmp_path / "means.pt")
    found = nicegan.evaluate_model(model, dataset, features, device="cpu")
    assert [one.num_images for one in found["A to B"].candidates] == [3, 3]


def test_members_stay_in_the_folder_whatever_their_names(dataset: Path, tmp_path: Path) -> None:
    content = numbered(1)
    names = [
        "../../out.png",
        f"{tmp_path}/absolute.png",
        "same/x.PNG",
        "x" * 150 + ".png",
        "y" * 150 + "\0.png",
        "a.png/b.png",
    ]
    write_tar(dataset / "testA.tar", [(name, content) for name in names])
    for path in find_images(dataset / "testA"):
        path.unlink()
    dataset.joinpath("testA").rmdir()
    before = sorted(tmp_path.rglob("*"))
    found = read_test_images(dataset, tmp_path / "unpacked")["A"]
    assert sorted(path for path in tmp_path.rglob("*") if tmp_path / "unpacked" not in [path, *path.parents]) == before
    assert len(set(found.paths)) == len(set(found.keys)) == len(names)
    assert all(path.parent == tmp_path / "unpacked" / "A" and path.read_bytes() == content for path in found.paths)


def test_a_file_that_is_listed_twice_counts_once(dataset: Path, tmp_path: Path) -> None:
    other = as_lists(dataset, tmp_path / "other")
    text = (other / "testA.txt").read_text()
    (other / "testA.txt").write_text(f"{text}\n{text}")
    assert len(read_test_images(other, tmp_path / "unpacked")["A"].paths) == 3


def test_what_is_wrong_is_named(dataset: Path, tmp_path: Path) -> None:
    def problem(data: Path) -> str:
        with pytest.raises(DataError) as caught:
            read_test_images(data, tmp_path / "unpacked" / str(len(list(tmp_path.rglob("*")))))
        return str(caught.value)

    assert "nowhere is not a folder" in problem(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "has no images in testA and testB" in problem(tmp_path / "empty")
    write_tar(tmp_path / "bad" / "testA.tar", [("a.png", b"x"), ("b.png", numbered(1)), ("c.png", b"y")])
    write_tar(tmp_path / "bad" / "testB.tar", [("b.png", numbered(1))])
    told = problem(tmp_path / "bad")
    assert "2 of 3 images cannot be read" in told
    assert "testA.tar/a.png" in told
    assert "testA.tar/c.png" in told
    write_tar(tmp_path / "bad" / "testA.tar", [("b.png", numbered(1)), ("c.png", numbered(2))])
    assert "testB*.tar holds one image" in problem(tmp_path / "bad")
    write_tar(tmp_path / "bad" / "testB.tar", [("b.txt", b"none")])
    assert "testB*.tar hold no image" in problem(tmp_path / "bad")
    (tmp_path / "bad" / "testB.tar").write_bytes(b"x" * 5000)
    assert "1 of 1 tar shards cannot be used" in problem(tmp_path / "bad")
    write_tar(dataset / "testA.tar", [("b.png", numbered(1))])
    assert "folder testA and the shards testA*.tar: leave one" in problem(dataset)
