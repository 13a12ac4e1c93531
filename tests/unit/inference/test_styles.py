"""Styles: several outputs of one image, which repeat; the style of an example; and what is refused."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import TINY, write_images
from tests.unit.cli.test_commands import run

from nicegan.distributed import ProcessGroup, T
from nicegan.errors import ConfigError, DataError, InputError
from nicegan.inference.files import translate_files
from nicegan.inference.plan import plan_outputs
from nicegan.inference.styles import random_styles
from nicegan.inference.translator import Translator, load
from nicegan.methods.munit.config import MUNIT
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.model_file import ModelSpec, save_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    method = MUNIT.tiny()
    path = tmp_path / "model.safetensors"
    save_model(path, ModelSpec(method=method, image_size=(64, 64)), method.build_translation_model((64, 64)))
    return path


@pytest.fixture
def translator(model: Path) -> Translator:
    return load(model, "cpu")


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A model without styles."""
    method = NiceGAN(network=TINY)
    path = tmp_path / "plain.safetensors"
    save_model(path, ModelSpec(method=method, image_size=(64, 64)), method.build_translation_model((64, 64)))
    return path


class Half(ProcessGroup):
    """One of two processes, without the other."""

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def shard(self, items: Sequence[T]) -> Sequence[T]:
        return items[self.rank :: 2]


def pixels(folder: Path) -> dict[str, np.ndarray]:
    return {path.relative_to(folder).as_posix(): np.asarray(Image.open(path), int) for path in folder.rglob("*.png")}


def furthest(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> int:
    """The largest difference of a pixel; both must hold the same names."""
    assert one.keys() == other.keys()
    return max(int(np.abs(one[name] - other[name]).max()) for name in one)


def test_the_outputs_of_an_image_are_the_same_in_any_batch_order_and_process(
    translator: Translator, tmp_path: Path
) -> None:
    paths = write_images(tmp_path / "in", 5, (40, 32))
    styles = random_styles(translator, 3, seed=4)
    together = translate_files(translator, [tmp_path / "in"], tmp_path / "one", to="B", styles=styles)
    assert len(together) == 15
    found = pixels(tmp_path / "one")
    assert sorted(found)[:4] == ["image_000-1.png", "image_000-2.png", "image_000-3.png", "image_001-1.png"]
    translate_files(translator, paths[::-1], tmp_path / "two", to="B", styles=styles, batch_size=2)
    for rank in (0, 1):
        half = Half(rank)
        translate_files(translator, [tmp_path / "in"], tmp_path / "three", to="B", styles=styles, processes=half)
    paths[0].rename(tmp_path / "other_name.png")
    translate_files(translator, [tmp_path / "other_name.png"], tmp_path / "four", to="B", styles=styles)
    renamed = {name.replace("other_name", "image_000"): image for name, image in pixels(tmp_path / "four").items()}
    for others in (pixels(tmp_path / "two"), pixels(tmp_path / "three"), found | renamed):
        assert furthest(found, others) <= 1  # rounding, of batches of other sizes
    apart = [np.abs(one - other).max() for one, other in pairwise(found[name] for name in sorted(found))]
    assert min(apart) > 1, "a style of its own for each output, and for each image"


def test_more_outputs_begin_with_those_of_fewer_and_another_seed_has_others(
    translator: Translator, tmp_path: Path
) -> None:
    path, other = write_images(tmp_path / "in", 2)
    of = {count: random_styles(translator, count, seed=1).of(path) for count in (1, 2, 17)}
    assert torch.equal(of[17][:2], of[2])
    assert torch.equal(of[2][:1], of[1])
    assert not torch.equal(random_styles(translator, 1, seed=2).of(path), of[1])
    assert not torch.equal(random_styles(translator, 1, seed=1).of(other), of[1])
    assert torch.equal(translator.random_styles(17, seed=3)[:4], translator.random_styles(4, seed=3))


def test_outputs_are_encoded_once_and_equal_single_translations(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = write_images(tmp_path / "in", 1, (41, 30))
    styles = random_styles(translator, 3).of(path)
    expected = [np.asarray(translator.translate(path, "B", style), int) for style in styles]
    encode, calls = translator.networks.encode, []
    monkeypatch.setattr(translator.networks, "encode", lambda *given: calls.append(1) or encode(*given))
    written = translate_files(translator, [path], tmp_path / "out", to="B", styles=random_styles(translator, 3))
    for target, image in zip(written, expected, strict=True):
        assert np.array_equal(np.asarray(Image.open(target), int), image)
    assert len(calls) == 1


def test_names_do_not_clash_and_no_output_is_an_input(tmp_path: Path) -> None:
    for name in ("cat.png", "cat.jpg", "cat-1.png", "cat-1-1.png"):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.new("RGB", (20, 24)).save(tmp_path / "in" / name)
    translated = plan_outputs([tmp_path / "in"], tmp_path / "out", num_outputs=2)
    assert {path.name for path in translated.values()} == {"cat.png.png", "cat.jpg.png", "cat-1.png", "cat-1-1.png"}
    with pytest.raises(DataError, match=r"cat-1\.png is an input"):
        plan_outputs([tmp_path / "in" / "cat.png", tmp_path / "in" / "cat-1.png"], tmp_path / "in", num_outputs=2)


def test_what_is_there_is_left_out_only_if_all_of_an_image_is(translator: Translator, tmp_path: Path) -> None:
    write_images(tmp_path / "in", 2)
    (tmp_path / "out").mkdir()
    for name in ("image_000-1.png", "image_000-2.png", "image_001-1.png"):
        (tmp_path / "out" / name).write_bytes(b"there")
    styles = random_styles(translator, 2)
    written = translate_files(
        translator, [tmp_path / "in"], tmp_path / "out", to="B", styles=styles, skip_existing=True
    )
    assert [path.name for path in written] == ["image_001-1.png", "image_001-2.png"]
    assert (tmp_path / "out" / "image_000-1.png").read_bytes() == b"there"


def test_the_command_line_takes_random_styles_and_those_of_an_example(
    model: Path, translator: Translator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, example = write_images(tmp_path / "in", 2)
    translate = ["translate", str(model), str(path), "--to", "B", "--device", "cpu"]
    many = ["--out", str(tmp_path / "many"), "--style", "random", "--num-outputs", "2", "--style-seed", "3"]
    code, _, said = run([*translate, *many], capsys)
    assert (code, "2 images in" in said) == (0, True), said
    style = random_styles(translator, 2, seed=3).of(path)[1]
    second = np.asarray(translator.translate(path, "B", style))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "many/image_000-2.png")), second)
    code, _, said = run([*translate, "--out", str(tmp_path / "like.png"), "--style", str(example)], capsys)
    assert code == 0, said
    like = np.asarray(translator.translate(path, "B", translator.style_of(example, "B")))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "like.png")), like)


MISTAKES = [
    ("model", ["--num-outputs", "2"], "--num-outputs is for random styles: add --style random"),
    ("model", ["--style-seed", "1"], "--style-seed is for random styles: add --style random"),
    ("model", ["--style", "EXAMPLE", "--num-outputs", "2"], "--num-outputs is for random styles"),
    ("model", ["--style", "random", "--num-outputs", "0"], "--num-outputs: should be greater than 0"),
    ("model", ["--style", "random", "--style-seed", "-1"], "--style-seed: should be greater than or equal to 0"),
    ("model", ["--style", "nowhere.png"], "--style nowhere.png: nowhere.png: "),
    ("model", ["--style", "BROKEN"], "broken.png: "),
    ("model", ["--style", "FOLDER"], "in: "),
    ("plain", ["--style", "random"], "--style random: NICE-GAN makes one translation of an image: it takes no style"),
    ("plain", ["--style", "EXAMPLE"], "makes one translation of an image"),
]


@pytest.mark.parametrize(("which", "arguments", "message"), MISTAKES, ids=lambda given: str(given))
def test_a_mistake_is_one_line_and_nothing_is_written(  # noqa: PLR0913
    which: str,
    arguments: list[str],
    message: str,
    model: Path,
    plain: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (path,) = write_images(tmp_path / "in", 1)
    (tmp_path / "broken.png").write_bytes(path.read_bytes()[:60])
    words = {"EXAMPLE": str(path), "BROKEN": str(tmp_path / "broken.png"), "FOLDER": str(tmp_path / "in")}
    given = [words.get(argument, argument) for argument in arguments]
    weights = model if which == "model" else plain
    out = ["--out", str(tmp_path / "out"), "--device", "cpu"]
    code, _, said = run(["translate", str(weights), str(path), "--to", "B", *out, *given], capsys)
    assert (code, message in said, said.strip().count("\n")) == (2, True, 0), said
    assert not (tmp_path / "out").exists()


def test_python_takes_one_style_or_a_row_for_each_image(translator: Translator) -> None:
    images = torch.rand(2, 3, 40, 24) * 2 - 1
    styles = translator.random_styles(2, seed=7)
    both = translator.translate(images, "B", styles)
    for row in (0, 1):
        alone = translator.translate(images[row], "B", styles[row].numpy())
        torch.testing.assert_close(both[row], alone, rtol=1e-4, atol=1e-5)
    mean = translator.translate(images, "B")
    torch.testing.assert_close(mean, translator.translate(images, "B", torch.zeros(8)), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(both, mean, atol=1e-3)


def test_a_style_is_that_of_the_example_in_its_own_domain(translator: Translator) -> None:
    image = Image.new("RGB", (50, 3), "teal")
    styles = translator.style_of(image, "B")
    assert styles.shape == (1, 8)
    assert not torch.equal(styles, translator.style_of(image, "A"))
    assert torch.equal(translator.style_of([image, image], "B"), styles.expand(2, -1))


WRONG = [
    (torch.zeros(7), r"\(7,\) is no style of this model: give 8 numbers, or rows of them"),
    (torch.zeros(3, 8), "3 styles do not fit 2 images"),
    (torch.full((8,), torch.nan), "finite"),
    ("random", "str is no style"),
]


@pytest.mark.parametrize(("style", "message"), WRONG, ids=lambda given: str(given)[:20])
def test_what_is_no_style_is_said(translator: Translator, style: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        translator.translate(torch.zeros(2, 3, 16, 16), "B", style)


def test_a_model_without_styles_takes_none(plain: Path) -> None:
    translator = load(plain, "cpu")
    image = Image.new("RGB", (32, 32))
    for call in (
        lambda: translator.translate(image, "B", torch.zeros(8)),
        lambda: translator.style_of(image, "B"),
        lambda: translator.random_styles(2),
    ):
        with pytest.raises(ConfigError, match="NICE-GAN makes one translation of an image: it takes no style"):
            call()
