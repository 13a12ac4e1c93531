"""The batches of a run: the same from folders, lists and shards of any kind, and what is said at the door."""

import json
import random
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import write_images
from tests.tars import write_tar

from nicegan.data import cache, training_data
from nicegan.data.sampler import Share
from nicegan.data.training_data import TrainingData
from nicegan.device import process_bytes
from nicegan.errors import DataError
from nicegan.run_config import RunConfig

CPU = torch.device("cpu")


def opened(config: RunConfig, share: Share = Share()) -> closing[TrainingData]:  # noqa: B008
    return closing(TrainingData(config, lambda *_: None, share))


def packed(dataset: Path, num_shards: int = 1) -> None:
    """Every folder of a dataset as tar shards beside it; the folders go."""
    for folder in [path for path in dataset.iterdir() if path.is_dir()]:
        members = [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
        for shard in range(num_shards):
            write_tar(dataset / f"{folder.name}-{shard}.tar", members[shard::num_shards])
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def listed(dataset: Path) -> None:
    """Every folder of a dataset as a list of its files, which move elsewhere."""
    for folder in [path for path in dataset.iterdir() if path.is_dir()]:
        moved = folder.rename(folder.with_name(f"of_{folder.name}"))
        names = [f"{moved.name}/{path.name}" for path in sorted(moved.iterdir())]
        (dataset / f"{folder.name}.txt").write_text("\n".join(names) + "\n")


def test_a_list_is_the_folder_it_names(tiny_run: RunConfig, dataset: Path) -> None:
    with opened(tiny_run) as folders:
        before = [folders.batch(step, CPU) for step in range(9)]
    listed(dataset)
    with opened(tiny_run) as lists:
        after = [lists.batch(step, CPU) for step in range(9)]
        assert lists.described() == "6 images of A and 5 of B"
        assert lists.without_test == []
        assert lists.position() == {}
        lists.restore({})
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one.a, other.a)
        assert torch.equal(one.b, other.b)


def test_files_that_a_list_names_wrongly_are_all_told(tiny_run: RunConfig, dataset: Path) -> None:
    listed(dataset)
    names = (dataset / "trainA.txt").read_text()
    (dataset / "trainA.txt").write_text(f"missing.png\n{names}of_trainA\n/no/where.jpg\nodd\0name.png\n")
    with pytest.raises(DataError, match="4 of 21 images cannot be read") as caught, opened(tiny_run):
        pass
    lines = str(caught.value).splitlines()[1:]
    assert [line.rpartition("/")[2].partition("'")[0] for line in lines] == [
        "missing.png", "of_trainA", "where.jpg", "odd\\x00name.png",
    ]  # fmt: skip
    with opened(tiny_run.model_copy(update={"skip_broken": True})) as data:
        assert data.described() == "6 images of A and 5 of B"


def test_shards_give_crops_of_the_images_in_them(tiny_run: RunConfig, dataset: Path) -> None:
    paths = {path.name: path for path in (dataset / "trainA").iterdir()}
    stored = {name: cache.scaled(Image.open(path).convert("RGB"), tiny_run.load_size) for name, path in paths.items()}
    packed(dataset)
    with opened(tiny_run) as data:
        for step in range(20):
            pixels = data.batch(step, CPU).a[0].permute(1, 2, 0).add(1).mul(127.5).round().byte().numpy()
            (name,) = data.names(step)["A"]
            whole = stored[name.rpartition("/")[2]]
            cuts = [whole[top : top + 64, left : left + 64] for top in range(9) for left in range(9)]
            assert any(np.array_equal(pixels, cut) or np.array_equal(pixels, cut[:, ::-1]) for cut in cuts)
        assert data.described() == "1 shard of A and 1 of B"


def test_kinds_may_be_mixed_and_urls_used(tiny_run: RunConfig, dataset: Path) -> None:
    import fsspec

    packed(dataset, num_shards=3)
    for path in dataset.glob("trainB*.tar"):
        fsspec.filesystem("memory").pipe(f"/mixed/{path.name}", path.read_bytes())
    write_images(dataset / "folder", 4)
    update = {"data": None, "domain_a": str(dataset / "folder"), "domain_b": "memory://mixed/trainB-{0..2}.tar"}
    with opened(tiny_run.model_copy(update=update)) as data:
        assert data.described() == "4 images of A and 3 shards of B"
        assert data.without_test == ["A", "B"]
        data.batch(3, CPU)
        assert list(data.position()) == ["B"]
        assert len(data.scored.b) == 5
    with (
        pytest.raises(DataError, match="FileNotFoundError"),
        opened(tiny_run.model_copy(update={**update, "domain_b": "memory://mixed/trainB-{0..7}.tar"})) as data,
    ):
        data.batch(0, CPU)


def test_a_streamed_run_is_resumed_through_plain_data(tiny_run: RunConfig, dataset: Path, tmp_path: Path) -> None:
    packed(dataset)
    config = tiny_run.model_copy(update={"batch_size": 30})
    with opened(config) as data:
        whole = [data.batch(30 * step, CPU) for step in range(75)]
    for stop in (35, 69):
        with opened(config) as data:
            data.batch(30 * (stop - 1), CPU)
            position = data.position()
        torch.save(position, tmp_path / "position.pt")
        assert torch.load(tmp_path / "position.pt", weights_only=True) == position == json.loads(json.dumps(position))
        for rank in range(2):  # two processes with 15 images each go on where one with 30 stopped
            with opened(config.model_copy(update={"batch_size": 15}), Share(rank, 2)) as data:
                data.restore(position)
                for step in range(stop, stop + 3):
                    batch = data.batch(30 * step, CPU)
                    assert torch.equal(batch.a, whole[step].a[15 * rank : 15 * rank + 15])
                    assert torch.equal(batch.b, whole[step].b[15 * rank : 15 * rank + 15])


def test_a_detour_gives_other_images_of_the_same_shards(tiny_run: RunConfig, dataset: Path) -> None:
    packed(dataset)
    with opened(tiny_run.model_copy(update={"batch_size": 8})) as data:
        plain, other, again = data.batch(0, CPU), data.batch(0, CPU, 1), data.batch(0, CPU)
        assert torch.equal(plain.a, again.a)
        assert not torch.equal(plain.a, other.a)
        assert data.names(0) != data.names(0, 1)


def test_scores_use_the_first_images_of_shards(
    tiny_run: RunConfig, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_data, "NUM_SCORED", 2)
    packed(dataset)
    with tarfile.open(dataset / "testA-0.tar") as tar:
        file = tar.extractfile("image_001.png")
        assert file
        second = cache.scaled(Image.open(file).convert("RGB"), tiny_run.size)
    with opened(tiny_run) as data:
        assert [len(side) for side in data.scored] == [2, 2]
        assert np.array_equal(data.scored.a[1].permute(1, 2, 0).add(1).mul(127.5).round().byte().numpy(), second)


@pytest.mark.parametrize("split", ["trainA", "testB"])
def test_a_first_image_that_is_broken_is_told_at_the_door(tiny_run: RunConfig, dataset: Path, split: str) -> None:
    first = dataset / split / "image_000.png"
    first.write_bytes(first.read_bytes()[:100])
    packed(dataset)
    said = f"image 'image_000.png' in {dataset}/{split}-0.tar cannot be read: .*--skip-broken"
    with pytest.raises(DataError, match=said), opened(tiny_run):
        pass
    with opened(tiny_run.model_copy(update={"skip_broken": True, "batch_size": 60})) as data:
        names = {name.rpartition("/")[2] for name in data.names(0)["A"]}
    assert ("image_000.png" in names) == (split == "testB")


def test_missing_shards_are_all_listed(tiny_run: RunConfig, dataset: Path) -> None:
    packed(dataset)
    update = {"data": None, "domain_a": f"{dataset}/trainA-{{0..2}}.tar", "domain_b": f"{dataset}/gone.tar"}
    with (
        pytest.raises(DataError, match="3 of 4 tar shards cannot be used") as caught,
        opened(tiny_run.model_copy(update=update)),
    ):
        pass
    assert all(name in str(caught.value) for name in ("trainA-1.tar", "trainA-2.tar", "gone.tar"))


@pytest.fixture(params=["list", "tar"])
def many(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """300 images a domain; benchmarks/inputs.py measures 100,000."""
    root = tmp_path / "many"
    for seed, name in enumerate(("trainA", "trainB")):
        write_images(root / name, 300, size=(64, 64), seed=seed)
    listed(root) if request.param == "list" else packed(root, 4)
    yield root


def test_memory_does_not_grow_with_the_images_drawn(tiny_run: RunConfig, many: Path) -> None:
    with opened(tiny_run.model_copy(update={"data": many, "batch_size": 8})) as data:
        for step in range(200):
            data.batch(8 * step, CPU)
        before = process_bytes()
        for step in range(200, 600):
            data.batch(8 * step, CPU)
        grown = process_bytes() - before
    assert grown / (400 * 2 * 8) < 500, "bytes an image; one image is 15,552"


def test_any_order_of_steps_gives_the_same_batches(tiny_run: RunConfig, dataset: Path) -> None:
    packed(dataset)
    config = tiny_run.model_copy(update={"batch_size": 100})
    with opened(config) as data:
        in_order = [data.batch(100 * step, CPU) for step in range(22)]
        for step in random.Random(0).sample(range(22), 4):
            assert torch.equal(data.batch(100 * step, CPU).b, in_order[step].b)
