"""Over 300 hostile files: each is read or named with a reason, within time and memory, and none is changed."""

import hashlib
import io
import os
import random
import re
import resource
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import TINY as NETWORK
from tests.conftest import write_images
from tests.end_to_end.test_runs import ONE_THREAD, TINY, command

FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "bmp": "BMP", "tiff": "TIFF"}
SEED = int(os.environ.get("NICEGAN_KILL_SEED", "0"))
MEMORY = 4 << 30


def encoded(suffix: str, mode: str = "RGB", size: tuple[int, int] = (60, 52), **options: object) -> bytes:
    random_pixels = np.random.default_rng(SEED).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(random_pixels).convert(mode).save(file, FORMATS[suffix], **options)
    return file.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that says it is very large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def damaged() -> Iterator[tuple[str, bytes]]:
    """Cut and bit-flipped files of every format, and files that are not what they are called."""
    chance = random.Random(SEED)
    for suffix in FORMATS:
        whole = encoded(suffix)
        for number in range(24):
            yield f"cut_{suffix}_{number}.{suffix}", whole[: chance.randrange(len(whole))]
        for number in range(30):
            flipped = bytearray(whole)
            for _ in range(chance.choice((1, 3, 30))):
                flipped[chance.randrange(min(len(flipped), chance.choice((64, 4000))))] ^= 1 << chance.randrange(8)
            yield f"flipped_{suffix}_{number}.{suffix}", bytes(flipped)
        yield f"empty_{suffix}.{suffix}", b""
        yield f"zeros_{suffix}.{suffix}", b"\0" * 5000
        yield f"noise_{suffix}.{suffix}", chance.randbytes(5000)
        yield f"text_{suffix}.{suffix}", "no image: ünïcode\n".encode() * 50
        for other in FORMATS:
            yield f"really_{other}_not_{suffix}.{suffix}", encoded(other)


def odd() -> Iterator[tuple[str, bytes]]:
    """Whole files that are unusual."""
    frames = [Image.new("RGB", (40, 40), (i, 0, 0)) for i in (0, 100, 200)]
    moving = io.BytesIO()
    frames[0].save(moving, "WEBP", save_all=True, append_images=frames[1:])
    yield "animated.webp", moving.getvalue()
    yield "cmyk.jpg", encoded("jpg", "CMYK")
    yield "odd_profile.jpg", encoded("jpg", "CMYK", icc_profile=b"not a profile")
    yield "odd_exif.jpg", encoded("jpg", exif=b"Exif\0\0MM\0*garbage")
    for suffix in FORMATS:
        yield f"one_pixel_{suffix}.{suffix}", encoded(suffix, size=(1, 1))
    yield "long.png", encoded("png", size=(30_000, 2))
    for name in (
        "with blank.png",
        "new\nline.png",
        "ünï çødé 画像.png",
        "'quotes\".png",
        "-dash.png",
        "[brackets] {}.png",
    ):
        yield name, encoded("png")
    for number, size in enumerate(((30_000, 30_000), (2**31 - 1, 2**31 - 1), (100_000, 100_000), (0, 10))):
        yield f"bomb_{number}.png", bomb(*size)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A dataset whose domain A is hostile."""
    root = tmp_path / "corpus"
    write_images(root / "trainB", 4)
    (root / "trainA").mkdir()
    for name, content in (*damaged(), *odd()):
        (root / "trainA" / name).write_bytes(content)
    (root / "trainA" / "loop").symlink_to(root / "trainA")
    (root / "trainA" / "ring.png").symlink_to(root / "trainA" / "ring.png")
    (root / "trainA" / "nowhere.png").symlink_to(root / "nowhere")
    (root / "trainA" / "endless.png").symlink_to("/dev/zero")
    (root / "trainA" / "folder.png").mkdir()
    os.mkfifo(root / "trainA" / "pipe.png")
    locked = root / "trainA" / "locked.png"
    locked.write_bytes(encoded("png"))
    locked.chmod(0)
    return root


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def nicegan_within_limits(*arguments: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(*map(str, arguments)), capture_output=True, text=True, check=False, env=ONE_THREAD, timeout=240,
        preexec_fn=limited, encoding="utf-8", errors="surrogateescape",
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    return done


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_hostile_folder_is_trained_on_and_translated_without_a_traceback(corpus: Path, tmp_path: Path) -> None:
    before = contents(corpus)
    assert len(before) >= 300
    refused = nicegan_within_limits("train", corpus, *TINY, "--out", tmp_path / "run")
    assert refused.returncode == 2
    assert not (tmp_path / "run").exists()
    headline, *named = refused.stderr.strip().splitlines()
    assert "images cannot be read; repair or remove them, or train without them: --skip-broken" in headline
    assert len(named) == int(headline.split("nicegan: ")[1].split()[0]), "one line a file"
    assert all(line.startswith("  '") and ": " in line for line in named)
    for name in (
        "empty_png.png",
        "bomb_0.png",
        "bomb_1.png",
        "ring.png",
        "pipe.png",
        "endless.png",
        "text_jpg.jpg",
    ):
        assert any(f"/{name}'" in line for line in named), name
    for name in (
        "animated.webp",
        "one_pixel_bmp.bmp",
        "long.png",
        "with blank.png",
        "really_jpg_not_png.png",
        "odd_profile.jpg",
    ):
        assert not any(f"/{name}'" in line for line in named), name

    trained = nicegan_within_limits("train", corpus, *TINY, "--steps", 1, "--skip-broken", "--out", tmp_path / "run")
    assert trained.returncode == 0, trained.stderr
    done = nicegan_within_limits(
        "translate", tmp_path / "run", corpus / "trainA", "--to", "B", "--out", tmp_path / "out"
    )
    assert done.returncode == 2
    counted = re.search(r"(\d+) of (\d+) images cannot be translated; the rest is done", done.stderr)
    assert counted
    assert len(list((tmp_path / "out").rglob("*.*"))) == int(counted[2]) - int(counted[1]) >= 50
    assert contents(corpus) == before


Break = Callable[[Path], object]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(struct.pack("<Q", 2**62) + b"{}"),
        lambda path: path.write_bytes(struct.pack("<Q", 8) + b"not json" + b"\0" * 64),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(path.read_bytes() + b"more"),
        lambda path: path.write_bytes(path.read_bytes().replace(b"format_version", b"format_versiom")),
        lambda path: path.write_bytes(os.urandom(10_000)),
    ],
    ids=["empty", "endless header", "no json", "cut", "longer", "no version", "noise"],
)
def test_hostile_model_files_get_one_line(tmp_path: Path, dataset: Path, damage: Break) -> None:
    import nicegan
    from nicegan.errors import CheckpointError
    from nicegan.methods.nicegan.build import build_translation_model
    from nicegan.methods.nicegan.config import NiceGAN
    from nicegan.model_file import ModelSpec, save_model

    spec = ModelSpec(method=NiceGAN(network=NETWORK), image_size=(64, 64), step=0, origin="test")
    model = tmp_path / "model.safetensors"
    save_model(model, spec, build_translation_model(NETWORK, (64, 64)))
    nicegan.load(model, "cpu")
    damage(model)
    with pytest.raises(CheckpointError) as caught:
        nicegan.load(model, "cpu")
    assert "\n" not in str(caught.value)
