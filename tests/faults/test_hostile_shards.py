"""Hostile tar shards: each is read or named with a reason, in one line, within time and memory; nothing is unpacked."""

import os
import random
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch
from tests.conftest import TINY as NETWORK
from tests.conftest import write_images
from tests.end_to_end.test_runs import TINY
from tests.faults.test_hostile_images import bomb, encoded, nicegan_within_limits
from tests.tars import write_tar

from nicegan.data import tar as shards
from nicegan.data.training_data import TrainingData
from nicegan.errors import DataError
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.run_config import RunConfig

SEED = int(os.environ.get("NICEGAN_KILL_SEED", "0"))
NUM_IMAGES = 12
NUM_DAMAGED = 20


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A shard that is to be damaged, and a folder of images of the other domain."""
    write_images(tmp_path / "other", 2)
    members = [(f"{number}.{end}", content) for number in range(NUM_IMAGES) for end, content in contents(number)]
    return write_tar(tmp_path / "shard.tar", members), tmp_path / "other"


def contents(number: int) -> Iterator[tuple[str, bytes]]:
    yield "png", encoded("png", size=(24 + number, 20))
    yield "json", b"{}" * number


def drawn(shard: Path, other: Path, *, skip_broken: bool) -> list[str]:
    """The members that some steps draw."""
    config = RunConfig(
        domain_a=str(shard), domain_b=str(other), method=NiceGAN(network=NETWORK), image_size=64, crop_margin=0,
        batch_size=4 * NUM_IMAGES, skip_broken=skip_broken, device="cpu",
    )  # fmt: skip
    with closing(TrainingData(config, lambda *_: None)) as data:
        data.batch(0, torch.device("cpu"))
        return data.names(0)["A"]


def drawn_or_told(shard: Path, other: Path) -> str:
    """What is said of a shard, "" if it is drawn from; broken images can be skipped, a broken shard cannot."""
    said = ["", ""]
    for skip_broken in (False, True):
        try:
            drawn(shard, other, skip_broken=skip_broken)
        except DataError as problem:
            said[skip_broken] = str(problem)
    for text in filter(None, said):
        assert str(shard) in text
        assert len(text.splitlines()) <= 2, "a headline, and a line for the shard"
    assert said[0] == said[1] or "--skip-broken" in said[0]
    assert "--skip-broken" not in said[1]
    return said[0]


def test_cut_anywhere_it_is_told_before_the_first_step(places: tuple[Path, Path]) -> None:
    shard, other = places
    whole = shard.read_bytes()
    end = len(whole.rstrip(b"\0"))
    chance = random.Random(SEED)
    for _ in range(NUM_DAMAGED):
        shard.write_bytes(whole[: chance.randrange(end)])
        said = drawn_or_told(shard, other)
        assert "tar shards cannot be used" in said or "cut off" in said, said


def test_with_bits_flipped_it_is_read_or_told(places: tuple[Path, Path]) -> None:
    shard, other = places
    whole = shard.read_bytes()
    chance = random.Random(SEED)
    told = 0
    for number in range(NUM_DAMAGED):
        flipped = bytearray(whole)
        for _ in range(chance.choice((1, 3, 30))):
            header = number % 2 == 0  # every second time, in headers alone
            place = 2048 * chance.randrange(len(whole) // 4096) + chance.randrange(512 if header else 2048)
            flipped[place] ^= 1 << chance.randrange(8)
        shard.write_bytes(flipped)
        told += bool(drawn_or_told(shard, other))
    assert told > NUM_DAMAGED // 4


def with_kinds(path: Path) -> None:
    """Links and devices under image names, around one image."""
    with tarfile.open(path, "a") as tar:
        for kind in (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Q"):
            member = tarfile.TarInfo(f"{kind.decode()}.png")
            member.type, member.linkname, member.devmajor = kind, "/dev/zero", 1
            tar.addfile(member)


NAMES = ("/etc/a.png", "../../b.png", "c\n.png", "\udcff.png", "d" * 3000 + ".png")
Break = Callable[[Path], object]
HOSTILE: dict[str, tuple[Break, str]] = {
    "not a tar": (lambda path: path.write_bytes(random.Random(SEED).randbytes(9000)), "not an uncompressed tar"),
    "text": (lambda path: path.write_text("images, soon\n" * 300), "not an uncompressed tar"),
    "empty": (lambda path: path.write_bytes(b""), "its end is missing"),
    "no members": (lambda path: write_tar(path, []), "hold no image"),
    "no images": (lambda path: write_tar(path, [("a.txt", b"a"), ("png", b"b")]), "hold no image"),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "not a regular file"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "holds no images"),
    "a loop of links": (lambda path: (path.unlink(), path.symlink_to(path)), "symbolic links"),
    "gone": (lambda path: path.unlink(), "No such file"),
    "zero size": (lambda path: write_tar(path, [("a.png", b"")]), "not an image"),
    "image bomb": (lambda path: write_tar(path, [("a.png", bomb(50_000, 50_000))]), "pixels|exceeds limit"),
    "links and devices": (with_kinds, ""),
    "hostile names": (lambda path: write_tar(path, [(name, encoded("png")) for name in NAMES]), ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_shards_are_read_or_told(places: tuple[Path, Path], kind: str, tmp_path: Path) -> None:
    damage, reason = HOSTILE[kind]
    shard, other = places
    damage(shard)
    done = nicegan_within_limits(
        "train", "--domain-a", shard, "--domain-b", other, *TINY, "--steps", 1, "--out", tmp_path / "run"
    )
    if not reason:
        assert done.returncode == 0, done.stderr
        assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {"other", "run", "shard.tar"}
        return
    assert done.returncode == 2, done.stderr
    headline, *named = done.stderr.strip().splitlines()
    assert headline.startswith("nicegan: ")
    assert len(named) <= 1
    assert any(part in done.stderr for part in reason.split("|")), done.stderr
    assert not (tmp_path / "run").exists()


def test_a_member_of_many_gigabytes_is_not_read(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A sparse file, so that the shard takes no space on the disk."""
    shard, other = places
    member = tarfile.TarInfo("0.png")
    member.size = 8 << 30
    with shard.open("wb") as file:
        file.write(member.tobuf(tarfile.GNU_FORMAT))
        file.truncate(512 + member.size + 10_240)
    with pytest.raises(DataError, match="8,589,934,592 bytes are more than the 300,000,000"):
        drawn(shard, other, skip_broken=False)
    with pytest.raises(DataError, match="hold no image that can be read"):
        drawn(shard, other, skip_broken=True)
    assert shards.MAX_MEMBER_BYTES == 300_000_000


def test_damage_in_a_later_shard_stops_the_run_with_a_line_and_what_was_saved(tmp_path: Path) -> None:
    write_images(tmp_path / "other", 2)
    images = [(f"{number}.png", encoded("png", size=(8, 8))) for number in range(1100)]
    for name in ("0", "1"):
        shard = write_tar(tmp_path / f"a-{name}.tar", images)
        content = bytearray(shard.read_bytes())
        middle = 1024 * 1000
        content[middle : middle + 512 * 6] = b"\x55" * 512 * 6
        shard.write_bytes(content)
    done = nicegan_within_limits(
        "train", "--domain-a", tmp_path / "a-*.tar", "--domain-b", tmp_path / "other", *TINY,
        "--steps", 3, "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.returncode == 2
    assert "is cut off, damaged or no tar (byte " in done.stderr.splitlines()[-1]
