"""The images of a domain by serial: the same for any number of processes, from any place, however it was reached."""

import random
import tarfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from tests.tars import SIDE, number_of, numbered, write_shards, write_tar

from nicegan.data import shuffle_buffer as windows
from nicegan.data.dataset import Reading, StreamedImages, first_images
from nicegan.data.places import Tars
from nicegan.data.sampler import WINDOW, Share, serials, shard_order, window_order
from nicegan.errors import DataError

SEED, DOMAIN, SIZE = 5, 1, (SIDE, SIDE)
COUNTS = [310, 0, 450, 7]  # images in the shards: windows cross shards and epochs
NUM_DRAWN = 4 * WINDOW


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_shards(tmp_path_factory.mktemp("shards"), COUNTS)


@pytest.fixture(scope="module")
def expected(urls: list[str]) -> list[int]:
    """The number of the image of each serial, found without any of the code that streams."""
    numbers = []
    for url in urls:
        with tarfile.open(url) as tar:
            numbers.append([int(Path(name).stem) for name in tar.getnames() if name.endswith(".png")])
    sequence: list[int] = []
    for epoch in range(NUM_DRAWN // sum(COUNTS) + 1):
        for shard in shard_order(SEED, DOMAIN, epoch, len(urls)):
            sequence += numbers[shard]
    return [sequence[k - k % WINDOW + window_order(SEED, DOMAIN, k // WINDOW)[k % WINDOW]] for k in range(NUM_DRAWN)]


def opened(urls: Sequence[str], num_ranks: int = 1, *, skip_broken: bool = False) -> StreamedImages:
    return StreamedImages(urls, Reading(SEED, DOMAIN, SIZE, skip_broken), num_ranks)


@pytest.fixture
def source(urls: list[str]) -> Iterator[StreamedImages]:
    with closing(opened(urls)) as source:
        yield source


def of_step(step: int, share: Share, per_process: int) -> range:
    """The serials of one process at a step, where every step had as many processes and images."""
    return serials(step * share.num_ranks * per_process, share, per_process)


def drawn(source: StreamedImages, wanted: range, seed: int = SEED) -> list[int]:
    images = source.sample(seed, wanted)
    assert all(image.shape == (*SIZE, 3) for image in images)
    return [number_of(image) for image in images]


def test_serials_are_windows_of_permuted_shards_permuted_in_themselves(
    source: StreamedImages, expected: list[int]
) -> None:
    assert [n for step in range(600) for n in drawn(source, of_step(step, Share(), 5))] == expected[:3000]
    assert sorted(expected[: sum(COUNTS)]) != list(range(sum(COUNTS))), "an epoch is not a window"
    assert set(expected) == set(range(sum(COUNTS)))


@pytest.mark.parametrize(("num_ranks", "per_process"), [(2, 3), (3, 1), (5, 7)])
def test_any_number_of_processes_sees_the_same_images(
    urls: list[str], expected: list[int], num_ranks: int, per_process: int
) -> None:
    num_steps = 2500 // (num_ranks * per_process)
    together: dict[int, int] = {}
    for rank in range(num_ranks):
        with closing(opened(urls, num_ranks)) as source:
            for step in range(num_steps):
                wanted = of_step(step, Share(rank, num_ranks), per_process)
                together |= dict(zip(wanted, drawn(source, wanted), strict=True))
    assert [together[k] for k in range(len(together))] == expected[: num_steps * num_ranks * per_process]


def test_each_process_keeps_only_what_it_draws(urls: list[str]) -> None:
    with closing(opened(urls, 4)) as source:
        source.sample(SEED, of_step(0, Share(1, 4), 2))
        window = source._windows[1].result()
        assert len(window.samples) == WINDOW
        own = {window_order(SEED, DOMAIN, 1)[k % WINDOW] for k in range(WINDOW, 2 * WINDOW) if k % 8 in (2, 3)}
        assert set(window.kept) == own


def test_a_run_may_go_on_from_anywhere(source: StreamedImages, urls: list[str], expected: list[int]) -> None:
    """Also on another number of processes, with a position, and without one."""
    chance = random.Random(0)
    borders = [k for window in (1, 2) for k in range(window * WINDOW - 1, window * WINDOW + 2)]
    stops = sorted([*borders, 3 * WINDOW + 1, *(chance.randrange(1, 3 * WINDOW) for _ in range(4))])
    positions = {}
    for first, stop in zip([0, *stops], stops, strict=False):
        for k in range(first, stop):
            assert drawn(source, range(k, k + 1)) == [expected[k]]
        positions[stop] = source.position()
    assert len({tuple(position.items()) for position in positions.values()}) == 4
    for stop, position in positions.items():
        assert all(type(value) is int for value in position.values())
        assert list(position) == ["serial_of_window", "epoch", "shard", "offset"]
        for num_ranks, rank, place in ((1, 0, position), (3, chance.randrange(3), position), (2, 1, None)):
            with closing(opened(urls, num_ranks)) as resumed:
                if place:
                    resumed.restore(place)
                    assert resumed.position() == place
                for step in range(10):
                    first = stop + (step * num_ranks + rank) * 2
                    assert drawn(resumed, range(first, first + 2)) == expected[first : first + 2]


def test_a_position_is_used(urls: list[str], expected: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(opened(urls)) as source:
        source.sample(SEED, range(3 * WINDOW, 3 * WINDOW + 1))
        position = source.position()
    starts = []
    walk = windows.endless

    def endless(urls: Sequence[str], seed: int, domain: int, start: windows.Position) -> Iterator[windows.Found]:
        starts.append(start)
        return walk(urls, seed, domain, start)

    monkeypatch.setattr(windows, "endless", endless)
    with closing(opened(urls)) as source:
        source.restore(position)
        assert drawn(source, range(3 * WINDOW + 9, 3 * WINDOW + 11)) == expected[3 * WINDOW + 9 : 3 * WINDOW + 11]
    assert position["serial_of_window"] == 3 * WINDOW
    assert [start._asdict() for start in starts] == [{k: position[k] for k in ("epoch", "shard", "offset")}]


def test_going_back_and_forth_gives_the_same(source: StreamedImages, expected: list[int]) -> None:
    chance = random.Random(1)
    for _ in range(6):
        first = chance.randrange(NUM_DRAWN - 3 * WINDOW // 2)
        num = chance.choice((1, 30, 3 * WINDOW // 2))
        assert drawn(source, range(first, first + num)) == expected[first : first + num]


def test_a_detour_permutes_windows_anew_but_not_shards(source: StreamedImages, expected: list[int]) -> None:
    before = drawn(source, range(WINDOW))
    other = drawn(source, range(WINDOW), seed=SEED + 1)
    assert before != other
    assert sorted(before) == sorted(other)
    assert drawn(source, range(WINDOW, WINDOW + 9)) == expected[WINDOW : WINDOW + 9]


def test_names_are_those_of_the_images_and_disturb_nothing(
    source: StreamedImages, urls: list[str], expected: list[int]
) -> None:
    drawn(source, range(2 * WINDOW - 1, 2 * WINDOW + 1))
    for first in (0, 2 * WINDOW - 1, 2 * WINDOW, 3 * WINDOW):
        names = source.names(SEED, range(first, first + 3))
        assert [int(Path(name).stem) for name in names] == expected[first : first + 3]
        assert all(any(name.startswith(f"{url}/deep/") for url in urls) for name in names)
    assert drawn(source, range(2 * WINDOW + 1, 2 * WINDOW + 3)) == expected[2 * WINDOW + 1 : 2 * WINDOW + 3]


def with_broken(folder: Path, broken: set[int], count: int = 60) -> list[str]:
    members = [(f"{number:03d}.png", b"broken" if number in broken else numbered(number)) for number in range(count)]
    return [str(write_tar(folder / f"{shard}.tar", members[shard::2])) for shard in (0, 1)]


def test_a_broken_image_is_named_or_replaced_alike_in_every_process(tmp_path: Path) -> None:
    broken = {3, 4, 5, 31, 50}
    urls = with_broken(tmp_path, broken)
    with closing(opened(urls)) as source, pytest.raises(DataError) as caught:
        drawn(source, range(60))
    assert caught.match(r"image '0\d\d.png' in .*/[01].tar cannot be read: not an image .*; .* --skip-broken")
    with closing(opened(urls, skip_broken=True)) as source:
        alone = drawn(source, range(500))
        names = source.names(SEED, range(500))
    assert [int(Path(name).stem) for name in names] == alone
    assert set(alone) == set(range(60)) - broken
    together: dict[int, int] = {}
    for rank in range(3):
        with closing(opened(urls, 3, skip_broken=True)) as source:
            for step in range(50):
                wanted = of_step(step, Share(rank, 3), 3)
                together |= dict(zip(wanted, drawn(source, wanted), strict=True))
    assert [together[k] for k in range(450)] == alone[:450]


def test_nothing_but_broken_images_is_told(tmp_path: Path) -> None:
    urls = with_broken(tmp_path, set(range(60)))
    with closing(opened(urls, skip_broken=True)) as source:
        for _ in range(2):
            with pytest.raises(DataError, match="none of the 1024 images around"):
                drawn(source, range(3))
    tars = Tars("x.tar", urls)
    with pytest.raises(DataError, match="x.tar hold no image that can be read"):
        first_images(tars, 3, SIZE, skip_broken=True, progress=lambda *_: None)


def test_shards_without_images_are_told(tmp_path: Path) -> None:
    urls = [str(write_tar(tmp_path / f"{number}.tar", [("a.txt", b"x")])) for number in range(3)]
    with closing(opened(urls)) as source, pytest.raises(DataError, match="none of the 3 tar shards holds an image"):
        drawn(source, range(3))


def test_damage_met_by_the_thread_that_reads_ahead_reaches_the_caller(tmp_path: Path) -> None:
    urls = write_shards(tmp_path, [WINDOW, WINDOW])
    second = urls[shard_order(SEED, DOMAIN, 0, 2)[1]]
    Path(second).write_bytes(Path(second).read_bytes()[:70_000])
    with closing(opened(urls)) as source:
        drawn(source, range(WINDOW))
        for _ in range(2):
            with pytest.raises(DataError, match=f"{second} is cut off"):
                drawn(source, range(WINDOW, WINDOW + 1))


def test_shards_that_changed_since_a_position_was_saved_are_told(tmp_path: Path) -> None:
    urls = write_shards(tmp_path, [800, 800])
    with closing(opened(urls)) as source:
        source.sample(SEED, range(WINDOW, WINDOW + 1))
        position = source.position()
    write_shards(tmp_path, [700, 700])
    with closing(opened(urls)) as source, pytest.raises(DataError, match="put the shards back|cut off"):
        source.restore({**position, "offset": position["offset"] + 1024})
        drawn(source, range(WINDOW, WINDOW + 1))
    with closing(opened(urls[:1])) as source, pytest.raises(DataError, match="there are 1 shards"):
        source.restore({**position, "shard": 1})


def test_large_files_are_kept_decoded_and_too_large_ones_are_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [(f"{number:03d}.bmp", numbered(number, SIDE, "BMP")) for number in range(20)]
    members[7] = ("007.bmp", numbered(7, 2 * SIDE, "BMP"))
    urls = [str(write_tar(tmp_path / "x.tar", members))]
    monkeypatch.setattr(windows, "LARGE_BYTES", 0)
    with closing(opened(urls)) as source:
        source.sample(SEED, range(1))
        kept = source._windows[1].result().kept.values()
        assert all(isinstance(content, np.ndarray) and content.nbytes == SIDE * SIDE * 3 for content in kept)
    monkeypatch.setattr(windows, "MAX_MEMBER_BYTES", len(members[7][1]) - 1)
    with closing(opened(urls, skip_broken=True)) as source:
        assert set(drawn(source, range(100))) == set(range(20)) - {7}
    with closing(opened(urls)) as source, pytest.raises(DataError, match="'007.bmp' .* more than the"):
        drawn(source, range(100))


def test_close_ends_the_threads(urls: list[str]) -> None:
    before = threading.active_count()
    with closing(opened(urls)) as source:
        drawn(source, range(3))
        assert threading.active_count() > before
    assert threading.active_count() == before
