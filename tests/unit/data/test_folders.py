"""Reading images of every kind, and saying clearly what cannot be read."""

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from tests.conftest import write_images

from nicegan.data.folders import evenly_chosen, find_images, portions, read_image, without_image_warnings, workers
from nicegan.errors import DataError

RED = (200, 30, 40)


def pixel(path: Path) -> tuple[int, ...]:
    image = read_image(path)
    assert image.mode == "RGB"
    return image.getpixel((1, 1))  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "PNG"])
def test_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image.{suffix}"
    Image.new("RGB", (8, 8), RED).save(path)
    assert np.abs(np.subtract(pixel(path), RED)).max() < 8
    assert find_images(tmp_path) == [path]


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 90, (90, 90, 90)),
        ("1", 1, (255, 255, 255)),
        ("RGBA", (200, 30, 40, 255), RED),
        ("RGBA", (200, 30, 40, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 0, 51), (204, 204, 204)),
        ("LA", (0, 0), (255, 255, 255)),
        ("I;16", 65535, (255, 255, 255)),
        ("I;16", 257 * 100, (100, 100, 100)),
    ],
)
def test_every_mode(tmp_path: Path, mode: str, colour: object, expected: tuple[int, ...]) -> None:
    Image.new(mode, (4, 4), colour).save(tmp_path / "image.png")  # pyright: ignore[reportArgumentType]
    assert pixel(tmp_path / "image.png") == expected


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 16, dtype=np.uint16).reshape(4, 4)
    for suffix in ("png", "tiff"):
        Image.fromarray(values).save(tmp_path / f"deep.{suffix}")
        read = np.asarray(read_image(tmp_path / f"deep.{suffix}"))[..., 0]
        np.testing.assert_allclose(read, values / 257, atol=0.51)


def test_palette_with_transparency_is_laid_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, *RED])
    image.save(tmp_path / "opaque.png")
    image.save(tmp_path / "clear.png", transparency=1)
    assert pixel(tmp_path / "opaque.png") == RED
    assert pixel(tmp_path / "clear.png") == (255, 255, 255)


def test_cmyk(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "print.jpg")
    assert np.abs(np.subtract(pixel(tmp_path / "print.jpg"), (255, 0, 0))).max() < 8


def test_exif_orientation_is_honoured(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 4), "black")
    image.paste((255, 255, 255), (0, 0, 4, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise: the left half becomes the top
    image.save(tmp_path / "turned.png", exif=exif)
    upright = np.asarray(read_image(tmp_path / "turned.png"))
    assert upright.shape == (8, 4, 3)
    assert upright[:4].min() == 255
    assert upright[4:].max() == 0


@pytest.mark.parametrize("orientation", range(2, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    write_images(tmp_path, 1, size=(9, 5))[0].rename(tmp_path / "plain.png")
    with Image.open(tmp_path / "plain.png") as image:
        image.save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(np.asarray(read_image(tmp_path / "turned.png")), expected)


def test_damaged_metadata_does_not_cost_a_good_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description long enough to be damaged"
    Image.new("RGB", (40, 30), RED).save(tmp_path / "good.jpg", exif=exif)
    content = (tmp_path / "good.jpg").read_bytes()
    start = content.index(b"Exif") + 6
    with without_image_warnings():
        for place in range(start, start + 40):
            damaged = bytearray(content)
            damaged[place] ^= 0xFF
            (tmp_path / "bad.jpg").write_bytes(damaged)
            assert sorted(read_image(tmp_path / "bad.jpg").size) == [30, 40]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "not an image"), (b"hello", "not an image"), (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "not an image")],
)
def test_broken_files_have_a_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason):
        read_image(path)


def test_a_truncated_file_is_broken(tmp_path: Path) -> None:
    path = write_images(tmp_path, 1)[0]
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError):
        read_image(path)


def test_values_without_a_range_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((4, 4), dtype=np.float32)).save(tmp_path / "float.tiff")
    with pytest.raises(DataError, match="no known range"):
        read_image(tmp_path / "float.tiff")


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nicegan.data.folders.MAX_PIXELS", 1000)
    with pytest.raises(DataError, match="5,760|5760|72x80"):
        read_image(write_images(tmp_path, 1)[0])


def test_any_nesting_and_names_but_no_hidden_files_and_no_loops(tmp_path: Path) -> None:
    deep = write_images(tmp_path / "a b" / "ünï" / "c", 2)
    write_images(tmp_path / ".hidden", 1)
    (tmp_path / "._resource.png").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert find_images(tmp_path) == deep


def test_samples_are_spread_over_the_test_set() -> None:
    files = [Path(str(i)) for i in range(100)]
    assert evenly_chosen(files, 10) == files[::10]
    assert evenly_chosen(files[:3], 10) == files[:3]


def test_as_many_samples_are_taken_as_were_asked_for() -> None:
    for available in (64, 65, 100, 127, 128):
        chosen = evenly_chosen(range(available), 64)
        assert len(set(chosen)) == 64 and chosen == sorted(chosen)
        assert max(b - a for a, b in zip(chosen, chosen[1:], strict=False)) <= 2
        assert available - chosen[-1] <= 2


def test_no_other_program_is_started_for_a_file_with_a_false_name(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n")
    with pytest.raises(DataError, match="not an image that can be read"):
        read_image(tmp_path / "cat.jpg")


def test_large_images_come_in_smaller_portions(tmp_path: Path) -> None:
    paths = [*write_images(tmp_path, 5, (10, 10)), tmp_path / "none.png"]
    assert list(portions(paths, 2, 10**6)) == [paths[:2], paths[2:4], paths[4:]]
    assert list(portions(paths, 9, 250)) == [paths[:2], paths[2:4], paths[4:]]
    assert list(portions(paths, 9, 1)) == [[path] for path in paths[:5]] + [paths[5:]]


def test_what_ends_the_work_ends_the_workers() -> None:
    started: list[int] = []

    def slow(number: int) -> None:
        started.append(number)
        time.sleep(0.05)

    with pytest.raises(KeyboardInterrupt), workers() as pool:
        for number in range(400):
            pool.submit(slow, number)
        raise KeyboardInterrupt
    assert len(started) < 100
