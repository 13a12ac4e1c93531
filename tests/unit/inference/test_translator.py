"""Translating: any size in, the same size out; folders in, folders out."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tests.conftest import TINY, write_images

from nicegan.errors import CheckpointError, ConfigError, DataError, NiceganError
from nicegan.inference.files import Scaling, translate_files
from nicegan.inference.translator import Translator, load, reflected
from nicegan.inference.writing import Writing
from nicegan.methods.base import PairedModel
from nicegan.methods.nicegan.config import NiceGAN, NiceGANNetwork
from nicegan.model_file import ModelSpec, save_model


def write_model(path: Path, network: NiceGANNetwork = TINY, size: tuple[int, int] = (64, 64)) -> Path:
    method = NiceGAN(network=network)
    save_model(path, ModelSpec(method=method, image_size=size), method.build_translation_model(size))
    return path


@pytest.fixture
def translator(tmp_path: Path) -> Translator:
    return load(write_model(tmp_path / "model.safetensors"), "cpu")


@pytest.mark.parametrize("size", [(64, 64), (63, 65), (101, 48), (1, 1), (3, 40), (16, 17)])
def test_any_size_comes_back_as_it_was(translator: Translator, size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "teal")
    drawn = translator.translate(image, to="B")
    assert (drawn.mode, drawn.size) == ("RGB", size)
    heat = translator.heatmap(image, "A")
    assert (heat.mode, heat.size) == ("L", size)


@pytest.mark.parametrize("size", [(64, 64), (63, 65), (101, 48), (1, 1), (5, 30)])
def test_padding_and_cropping_are_in_register(
    translator: Translator, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks that change nothing give back the very image."""
    monkeypatch.setattr(translator.networks, "translate", lambda image, to: image)
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(translator.translate(Image.fromarray(values), to="B")), values)


def test_deep_encoders_take_small_images(tmp_path: Path) -> None:
    deep = TINY.model_copy(update={"shared_layers": 4, "depth": 8})
    translator = load(write_model(tmp_path / "deep.safetensors", deep, (192, 192)), "cpu")
    assert translator.translate(Image.new("RGB", (16, 100)), to="B").size == (16, 100)


def test_exif_orientation_is_honoured(translator: Translator, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "turned.jpg", exif=exif)
    with Image.open(tmp_path / "turned.jpg") as image:
        assert translator.translate(image, to="B").size == (30, 40)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16", "CMYK"])
def test_any_mode(translator: Translator, mode: str) -> None:
    assert translator.translate(Image.new(mode, (32, 32)), to="A").mode == "RGB"


def test_tensors_keep_their_shape_and_equal_the_networks(translator: Translator) -> None:
    image = torch.rand(2, 3, 64, 48) * 2 - 1
    drawn = translator.translate(image, to="B")
    networks = translator.networks
    assert isinstance(networks, PairedModel)
    assert torch.equal(drawn, networks.path("B").generator(networks.path("A").encoder(image)))
    assert translator.translate(image[0], to="B").shape == (3, 64, 48)
    heat = translator.heatmap(image, "B")
    assert heat.shape == (2, 1, 64, 48)
    assert (heat.amin((1, 2, 3)) == 0).all()
    assert (heat.amax((1, 2, 3)) == 1).all()


def test_padding_does_not_touch_what_it_need_not(translator: Translator) -> None:
    """A size the networks take is not padded; one that is padded is reflected evenly."""
    assert reflected(8, 8).tolist() == list(range(8))
    assert reflected(5, 8).tolist() == [1, 0, 1, 2, 3, 4, 3, 2]
    assert reflected(1, 4).tolist() == [0, 0, 0, 0]


NAN = torch.full((3, 8, 8), float("nan"))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.zeros(3), "a tensor"),
        (torch.zeros(1, 1, 8, 8), "a tensor"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), "a tensor"),
        (torch.zeros(0, 3, 8, 8), "a tensor"),
        (torch.full((3, 8, 8), 255.0), "values go from 255 to 255"),
        (NAN, "values go from nan"),
        (np.zeros((3, 8, 8), np.float32), "an array"),
        (np.zeros((8, 8, 4), np.uint8), "an array"),
        (np.zeros((0, 8, 3), np.uint8), "an array"),
        (None, "NoneType cannot be translated"),
        ([None], "NoneType cannot be translated"),
        (3, "int cannot be translated"),
    ],
    ids=str,
)
def test_other_inputs_are_refused_by_what_is_taken(translator: Translator, bad: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message) as caught:
        translator.translate(bad, to="B")
    assert isinstance(caught.value, ConfigError)


def test_arrays_paths_and_lists_give_what_a_pil_image_gives(translator: Translator, tmp_path: Path) -> None:
    path = write_images(tmp_path, 1, size=(40, 30))[0]
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    expected = np.asarray(translator.translate(image, to="B"))
    array = translator.translate(np.asarray(image), to="B")
    assert array.dtype == np.uint8
    assert np.array_equal(array, expected)
    assert np.array_equal(translator.translate(np.asarray(image)[None], to="B")[0], expected)
    for given in (path, str(path)):
        assert np.array_equal(np.asarray(translator.translate(given, to="B")), expected)
    many = translator.translate([image, path, np.asarray(image)], to="B")
    assert [type(one) for one in many] == [Image.Image, Image.Image, np.ndarray]
    assert translator.heatmap(np.asarray(image), "A").shape == (30, 40)
    assert "trained at" in repr(translator)
    with pytest.raises(DataError, match="nothing.png: No such file"):
        translator.translate(tmp_path / "nothing.png", to="B")


def test_unknown_domains_are_refused(translator: Translator) -> None:
    with pytest.raises(ConfigError, match="no domain 'C'"):
        translator.translate(torch.zeros(3, 8, 8), to="C")  # pyright: ignore


def test_folders_keep_names_sizes_and_structure(translator: Translator, tmp_path: Path) -> None:
    write_images(tmp_path / "in" / "deep", 3, size=(50, 30))
    write_images(tmp_path / "in", 10, size=(20, 33))
    single = write_images(tmp_path / "alone", 1, size=(64, 64))[0].rename(tmp_path / "single.png")
    seen = []
    written = translate_files(
        translator,
        [tmp_path / "in", single],
        tmp_path / "out",
        to="B",
        batch_size=2,
        progress=lambda done, count: seen.append((done, count)),
    )
    expected = {f"deep/image_00{i}.png" for i in range(3)} | {f"image_00{i}.png" for i in range(10)} | {"single.png"}
    assert {str(path.relative_to(tmp_path / "out")) for path in written} == expected
    assert seen[-1] == (14, 14)
    for path in written:
        source = tmp_path / "in" / path.relative_to(tmp_path / "out")
        with Image.open(source if source.exists() else single) as before, Image.open(path) as after:
            assert before.size == after.size
            alone = np.asarray(translator.translate(before, to="B")).astype(int)
            assert np.abs(alone - np.asarray(after).astype(int)).max() <= 1


def test_resize_is_the_papers_square_protocol(translator: Translator, tmp_path: Path) -> None:
    source = write_images(tmp_path / "in", 1, size=(50, 30))[0]
    (target,) = translate_files(
        translator, [source], tmp_path / "out", to="B", scaling=Scaling((64, 64)), writing=Writing("jpg")
    )
    with Image.open(target) as image:
        assert (image.size, image.format) == ((64, 64), "JPEG")


def test_broken_images_are_listed_and_the_others_done(translator: Translator, tmp_path: Path) -> None:
    paths = write_images(tmp_path / "in", 4)
    paths[2].write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1 of 4 images cannot be translated") as caught:
        translate_files(translator, [tmp_path / "in"], tmp_path / "out", to="A")
    assert paths[2].name in str(caught.value)
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_an_output_that_cannot_be_written_does_not_stop_the_others(translator: Translator, tmp_path: Path) -> None:
    write_images(tmp_path / "in", 2)
    write_images(tmp_path / "long", 1)[0].rename(tmp_path / "in" / f"{'a' * 251}.png")
    with pytest.raises(DataError, match=r"1 of 3 images cannot be translated; the rest is done(.|\n)*too long"):
        translate_files(translator, [tmp_path / "in"], tmp_path / "out", to="A", writing=Writing("tiff"))
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_an_input_by_another_name_is_not_written_over(translator: Translator, tmp_path: Path) -> None:
    [image] = write_images(tmp_path / "in", 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / image.name).hardlink_to(image)
    with pytest.raises(DataError, match="is an input"):
        translate_files(translator, [tmp_path / "in"], tmp_path / "out", to="A")


def test_nothing_is_overwritten_by_accident(translator: Translator, tmp_path: Path) -> None:
    write_images(tmp_path / "one", 1)
    with pytest.raises(DataError, match="is an input"):
        translate_files(translator, [tmp_path / "one"], tmp_path / "one", to="A")
    with pytest.raises(DataError, match="does not exist"):
        translate_files(translator, [tmp_path / "three"], tmp_path / "out", to="A")


def test_a_flat_model_takes_its_own_size_only(tmp_path: Path) -> None:
    flat = TINY.model_copy(update={"summary": "flat"})
    translator = load(write_model(tmp_path / "flat.safetensors", flat), "cpu")
    assert translator.translate(Image.new("RGB", (64, 64)), to="A").size == (64, 64)
    with pytest.raises(
        ConfigError, match="image size 64x80 does not fit: these networks take 64x64 only; use --resize"
    ):
        translator.translate(Image.new("RGB", (80, 64)), to="A")


def with_header(path: Path, **changes: str) -> None:
    """Rewrite the metadata of a safetensors file."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] |= changes
    new = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(new)) + new + content[8 + length :])


def test_models_that_are_none(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.safetensors")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(model.read_bytes()[:-1000])
    (tmp_path / "text.safetensors").write_text("hello")
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    wider = NiceGAN(network=NiceGANNetwork(base_channels=8, blocks=1, depth=6))
    changes = {
        "newer": {"format_version": "99"},
        "odd_version": {"format_version": "x"},
        "other_width": {"card": ModelSpec(method=wider, image_size=(64, 64)).model_dump_json()},
        "no_card": {"card": "{}"},
    }
    for name, change in changes.items():
        (tmp_path / f"{name}.safetensors").write_bytes(model.read_bytes())
        with_header(tmp_path / f"{name}.safetensors", **change)
    (tmp_path / "empty").mkdir()
    names = ["cut", "text", "foreign", *changes]
    for place in [*(tmp_path / f"{name}.safetensors" for name in names), tmp_path / "nowhere", tmp_path / "empty"]:
        with pytest.raises(CheckpointError) as caught:
            load(place, "cpu")
        assert len(str(caught.value).splitlines()) == 1, str(caught.value)


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NiceganError):
        load(write_model(tmp_path / "model.safetensors"), "cuda:9")
