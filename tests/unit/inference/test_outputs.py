"""Outputs: names that do not clash, formats, quality, colour profiles, EXIF, and what is left out."""

import io
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from tests.conftest import TINY, write_images

from nicegan.cli.translate import size_of
from nicegan.data.folders import read_image
from nicegan.errors import ConfigError, DataError
from nicegan.inference.files import Scaling, translate_files
from nicegan.inference.plan import plan_outputs
from nicegan.inference.translator import Translator, load
from nicegan.inference.writing import Writing
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.model_file import ModelSpec, save_model

FOLLOW = Writing(None)


@pytest.fixture
def translator(tmp_path: Path) -> Translator:
    method = NiceGAN(network=TINY)
    spec = ModelSpec(method=method, image_size=(64, 64))
    save_model(tmp_path / "model.safetensors", spec, method.build_translation_model((64, 64)))
    return load(tmp_path / "model.safetensors", "cpu")


@cache
def wide_profile() -> bytes:
    """Return a valid profile that is not sRGB: red and green exchange their colorants, and it has another name."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return (
        srgb.replace(b"rXYZ", b"tmp0")
        .replace(b"gXYZ", b"rXYZ")
        .replace(b"tmp0", b"gXYZ")
        .replace("sRGB".encode("utf-16-be"), "oRGB".encode("utf-16-be"))
        .replace(b"sRGB", b"oRGB")
    )


def images(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 24), "red").save(folder / name)
    return folder


def test_names_that_would_be_one_file_are_kept_apart(tmp_path: Path) -> None:
    folder = images(tmp_path / "in", "cat.jpg", "cat.png", "dog.png", "deep/cat.png")
    (folder / "DOG.png").write_bytes((folder / "dog.png").read_bytes())
    plan = plan_outputs([folder, images(tmp_path / "other", "cat.jpg")], tmp_path / "out")
    names = [target.relative_to(tmp_path / "out").as_posix() for target in plan.values()]
    assert len({name.casefold() for name in names}) == 6
    assert {"cat.jpg.png", "cat.png.png", "deep/cat.png"} <= set(names)


def test_outputs_are_no_inputs_of_the_next_run(translator: Translator, tmp_path: Path) -> None:
    folder = images(tmp_path / "in", "a.png", "b.png")
    for _ in range(2):
        assert len(translate_files(translator, [folder], folder / "out", to="B")) == 2


def test_what_is_there_may_be_left_out(translator: Translator, tmp_path: Path) -> None:
    folder = images(tmp_path / "in", "a.png", "b.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_bytes(b"there")
    written = translate_files(translator, [folder], tmp_path / "out", to="B", skip_existing=True)
    assert [path.name for path in written] == ["b.png"]
    assert (tmp_path / "out" / "a.png").read_bytes() == b"there"


def test_one_image_into_one_file(translator: Translator, tmp_path: Path) -> None:
    folder = images(tmp_path / "in", "a.png", "b.png")
    (written,) = translate_files(translator, [folder / "a.png"], tmp_path / "dog.jpg", to="B")
    assert written == tmp_path / "dog.jpg"
    assert read_image(written).size == (20, 24)
    assert written.read_bytes()[:2] == b"\xff\xd8", "a JPEG"
    with pytest.raises(DataError, match="is one file, and there are 2 images"):
        translate_files(translator, [folder], tmp_path / "dog.jpg", to="B")


def test_lossy_inputs_keep_their_format_in_full_colour(translator: Translator, tmp_path: Path) -> None:
    folder = images(tmp_path / "in", "a.jpg", "b.webp", "c.png", "d.bmp")
    written = translate_files(translator, [folder], tmp_path / "out", to="B", writing=FOLLOW)
    assert sorted(path.name for path in written) == ["a.jpg", "b.webp", "c.png", "d.png"]
    with Image.open(tmp_path / "out" / "a.jpg") as image:
        assert image.layer[0][1:3] == (1, 1), "no halved colours"  # pyright: ignore[reportAttributeAccessIssue]
        assert sum(image.quantization[0]) < 400, "quality 95"  # pyright: ignore[reportAttributeAccessIssue]


def test_profiles_are_read_into_srgb_and_written_back_if_wanted(translator: Translator, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (24, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in" / "wide.png", icc_profile=wide_profile())
    read = np.asarray(read_image(tmp_path / "in" / "wide.png")).astype(int)
    assert np.abs(read - pixels).mean() > 20, "the profile is honoured"
    for keep, out in ((False, "plain"), (True, "kept")):
        writing = Writing(keep_profile=keep)
        translate_files(translator, [tmp_path / "in"], tmp_path / out, to="B", writing=writing)
    with Image.open(tmp_path / "plain" / "wide.png") as plain, Image.open(tmp_path / "kept" / "wide.png") as kept:
        assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(plain.info["icc_profile"])))
        assert kept.info["icc_profile"] == wide_profile()
    read_back = [np.asarray(read_image(tmp_path / out / "wide.png")).astype(int) for out in ("plain", "kept")]
    assert np.abs(read_back[0] - read_back[1]).mean() < 2, "the same colours in both"


def test_a_damaged_profile_is_passed_over(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (10, 20, 30)).save(tmp_path / "a.png", icc_profile=b"not a profile")
    assert np.asarray(read_image(tmp_path / "a.png")).tolist()[0][0] == [10, 20, 30]


def test_description_and_dates_stay_and_the_orientation_is_applied_once(translator: Translator, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x0132] = 6, "a cat", "2020:01:02 03:04:05"
    exif.get_ifd(0x8769)[0x9003] = "2019:01:02 03:04:05"
    Image.new("RGB", (40, 30)).save(tmp_path / "turned.jpg", exif=exif)
    (written,) = translate_files(translator, [tmp_path / "turned.jpg"], tmp_path / "out", to="B", writing=FOLLOW)
    with Image.open(written) as image:
        kept = image.getexif()
        assert image.size == (30, 40)
        assert (kept.get(0x0112), kept[0x010E], kept[0x0132]) == (None, "a cat", "2020:01:02 03:04:05")
        assert kept.get_ifd(0x8769)[0x9003] == "2019:01:02 03:04:05"


def test_larger_images_are_shrunk_in_proportion(translator: Translator, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write_images(folder, 1, size=(100, 50))
    Image.new("RGB", (20, 30)).save(folder / "small.png")
    written = translate_files(translator, [folder], tmp_path / "out", to="B", scaling=Scaling(longest=64))
    assert {read_image(path).size for path in written} == {(64, 32), (20, 30)}


def test_a_batch_of_one_is_not_advised_to_be_smaller(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> torch.Tensor:
        raise MemoryError

    monkeypatch.setattr(translator, "translate", full)
    images(tmp_path / "in", "a.png")
    with pytest.raises(DataError, match=r"do not fit in memory: try --max-side 12"):
        translate_files(translator, [tmp_path / "in"], tmp_path / "out", to="B")


@pytest.mark.parametrize(
    ("words", "size"), [(("64",), (64, 64)), (("48", "64"), (48, 64)), (("48x64",), (48, 64)), ((), None)]
)
def test_sizes(words: tuple[str, ...], size: tuple[int, int] | None) -> None:
    assert size_of(words) == size


@pytest.mark.parametrize("words", [("8",), ("64", "64", "64"), ("wide",), ("64x",), ("-64",)], ids=str)
def test_sizes_that_are_none(words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="give a side in pixels"):
        size_of(words)
