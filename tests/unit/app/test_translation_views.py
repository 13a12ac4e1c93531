"""One request without the page: what each view is, styles, sizes, what is refused, and how work is stopped."""

import io
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PIL import Image
from tests.conftest import write_images
from tests.tiny_models import make_models

from nicegan.app import translation
from nicegan.app.models import ShownModel, names_of
from nicegan.app.pictures import Picture, png_of_size, read_picture
from nicegan.app.translation import SPAN, Wish, differences, translate_views
from nicegan.app.watch import StoppedError, Watch
from nicegan.data.cache import Pixels, scaled
from nicegan.errors import DataError
from nicegan.inference.styles import random_styles


@pytest.fixture
def models(tmp_path: Path) -> dict[str, ShownModel]:
    return {model.name: model for model in make_models(tmp_path, "looking", "styled", "plain")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_images(tmp_path / "in", 1, (60, 40))[0]


@pytest.fixture
def picture(path: Path) -> Picture:
    return read_picture("cat.png", path.read_bytes())


def views(model: ShownModel, picture: Picture, wish: Wish) -> dict[str, Pixels]:
    return dict(translate_views(model.translator, picture, wish, Watch(Event())))


def test_every_view_is_what_it_says(models: dict[str, ShownModel], picture: Picture, path: Path) -> None:
    pixels = np.asarray(Image.open(path))
    for name, model in models.items():
        found = views(model, picture, Wish("A", 512))
        assert ("heatmap" in found) == (name == "looking")
        assert all(view.shape == (40, 60, 3) and view.dtype == np.uint8 for view in found.values())
        fake = model.translator.translate(pixels, "A")
        own = model.translator.style_of(pixels, "B") if name == "styled" else None
        back = model.translator.translate(fake, "B", own)
        assert np.array_equal(found["source"], pixels)
        assert np.array_equal(found["translation"], fake)
        assert np.array_equal(found["cycle"], back)


def test_the_difference_is_brightest_where_the_cycle_disagrees_most() -> None:
    source = np.full((2, 3, 3), 100, np.uint8)
    cycle = source.copy()
    cycle[0, 1] += SPAN // 2
    cycle[1, 2] = 255
    apart = differences(cycle, source)
    assert apart.tolist() == [[0, SPAN / 2, 0], [0, 0, 155]]
    shown = translation._overlay(apart / SPAN, source).sum(axis=2)  # pyright: ignore[reportPrivateUsage]
    assert shown[1, 2] > shown[0, 1] > shown[0, 0] == shown[1, 0]


def test_the_heatmap_is_the_translators(models: dict[str, ShownModel], picture: Picture, path: Path) -> None:
    translator = models["looking"].translator
    shown = views(models["looking"], picture, Wish("B", 512))["heatmap"].astype(int).sum(axis=2)
    heat = translator.heatmap(np.asarray(Image.open(path)), "A").astype(int)
    assert np.corrcoef(shown.ravel(), heat.ravel())[0, 1] > 0.5


def test_styles_are_those_of_the_command_line_and_of_the_example(
    models: dict[str, ShownModel], picture: Picture, path: Path, tmp_path: Path
) -> None:
    model, pixels = models["styled"], np.asarray(Image.open(path))
    translate = model.translator.translate
    found = views(model, picture, Wish("B", 512, "random", 5))["translation"]
    assert np.array_equal(found, translate(pixels, "B", random_styles(model.translator, 1, 5).of(path)))
    assert not np.array_equal(found, views(model, picture, Wish("B", 512, "random", 6))["translation"])
    (example,) = write_images(tmp_path / "example", 1, (50, 70), seed=8)
    wish = Wish("B", 512, "example", example=read_picture("e.png", example.read_bytes()))
    found = views(model, picture, wish)["translation"]
    assert np.array_equal(found, translate(pixels, "B", model.translator.style_of(example, "B")))
    with pytest.raises(DataError, match="there is no example of the style"):
        views(model, picture, Wish("B", 512, "example"))
    plain = views(models["plain"], picture, wish)["translation"]
    assert np.array_equal(plain, models["plain"].translator.translate(pixels, "B")), "a model without styles has none"


def test_large_pictures_are_shrunk_and_their_results_have_the_original_size(
    models: dict[str, ShownModel], picture: Picture, path: Path
) -> None:
    found = views(models["plain"], picture, Wish("B", 30))["translation"]
    expected = models["plain"].translator.translate(scaled(Image.open(path), (20, 30)), "B")
    assert np.array_equal(found, expected)
    file = png_of_size(found, picture.size)
    assert file.startswith(b"\x89PNG")
    assert Image.open(io.BytesIO(file)).size == (60, 40)


def test_what_does_not_fit_in_memory_is_said(
    models: dict[str, ShownModel], picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translation, "refuse_unfit", lambda *given: {(40, 60): "it needs 9 GiB: try --max-side 64"})
    with pytest.raises(DataError, match="the picture is too large: it needs 9 GiB: try a longest side of 64"):
        views(models["plain"], picture, Wish("B", 512))
    monkeypatch.undo()

    def exhausted(*given: object) -> None:
        raise MemoryError

    monkeypatch.setattr(models["plain"].translator.networks, "translate", exhausted)
    with pytest.raises(DataError, match="choose a smaller size"):
        views(models["plain"], picture, Wish("B", 512))


def test_work_stops_before_the_next_layer_and_leaves_no_hook(models: dict[str, ShownModel], picture: Picture) -> None:
    model, stop, told = models["looking"], Event(), list[int]()

    def tell(layers: int) -> None:
        told.append(layers)
        if layers == 7:
            stop.set()

    with pytest.raises(StoppedError):
        list(translate_views(model.translator, picture, Wish("B", 512), Watch(stop, tell)))
    assert told == [1, 2, 3, 4, 5, 6, 7]
    assert not any(module._forward_pre_hooks for module in model.translator.networks.modules())
    assert len(views(model, picture, Wish("B", 512))) == 5


def test_the_work_of_all_views_is_known_before_about(models: dict[str, ShownModel], picture: Picture) -> None:
    for model in models.values():
        watch = Watch(Event())
        list(translate_views(model.translator, picture, Wish("B", 512), watch))
        assert 0.7 < watch.layers / model.work < 1.4, model.name


WRONG = [
    (b"hello", "notes.png: not an image that can be read"),
    (b"", "notes.png: not an image that can be read"),
    (bytes((64 << 20) + 1), "notes.png has 65 MB: at most 64 MB are taken"),
]


@pytest.mark.parametrize(("content", "words"), WRONG, ids=["words", "nothing", "large"])
def test_what_is_no_picture_is_said(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_picture("notes.png", content)


def test_models_have_names_of_their_own() -> None:
    assert names_of([Path("runs/mine"), Path("runs/other/model.safetensors")]) == ["mine", "other"]
    assert names_of([Path("a/run"), Path("b/run"), Path("c")]) == ["a/run", "b/run", "c"]
    assert names_of([Path("a/run"), Path("a/run")]) == ["a/run", "a/run (2)"]
    assert names_of([Path("model.safetensors"), Path("cat.safetensors")]) == ["model", "cat"]
