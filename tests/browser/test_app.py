"""The app in a real browser: it translates, shows, stops, refuses, and asks nobody but its own server."""

import io
import struct
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.apps import ServedApp, served_app
from tests.conftest import write_images
from tests.tiny_models import make_models

from nicegan.data.cache import scaled
from nicegan.inference.styles import random_style

pytest.importorskip("gradio", reason="there is no gradio (pip install 'nicegan[app]')")
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("default"),  # gradio and what it is built on warn of each other
]

Opened = Callable[..., Any]
PNG = "data:image/png;base64,"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApp]:
    root = tmp_path_factory.mktemp("app")
    write_images(root / "examples", 3, (90, 60), seed=9)
    with served_app(make_models(root, "looking", "styled"), root / "examples") as one:
        yield one


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return write_images(tmp_path, 1, (320, 200), seed=3)[0].rename(tmp_path / "holiday.png")


def begin(page: Any, app: ServedApp) -> Any:
    page.goto(app.url)
    page.get_by_role("button", name="Translate").wait_for()
    return page


def give(page: Any, path: Path, field: str = "picture") -> None:
    page.locator(f"#{field} input[type=file]").set_input_files(str(path))


def status(page: Any, text: str) -> None:
    page.locator("#status").get_by_text(text).wait_for()


LINK = "(document.querySelector('.nicegan-words a') || {}).href"


def translate(page: Any) -> None:
    """Translate, and wait until all is there; the results of each time have addresses of their own."""
    before = page.evaluate(LINK)
    page.get_by_role("button", name="Translate").click()
    page.wait_for_function(f"before => {LINK} && {LINK} != before", arg=before)
    status(page, "Done in")


def downloaded(page: Any, number: int = 0) -> tuple[str, np.ndarray]:
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download PNG").nth(number).click()
    with Image.open(coming.value.path()) as image:
        assert image.format == "PNG"
        return coming.value.suggested_filename, np.asarray(image)


def right_image(page: Any, number: int = 0) -> np.ndarray:
    """The pixels of the right image of a slider, as the browser has them."""
    address = page.locator(".nicegan-slider").nth(number).locator("img").last.get_attribute("src")
    assert address.startswith(PNG)
    return np.asarray(Image.open(io.BytesIO(b64decode(address.removeprefix(PNG)))))


def test_an_image_is_translated_by_all_models_and_nothing_of_it_is_on_the_disk(
    open_page: Opened, app: ServedApp, photo: Path
) -> None:
    page = begin(open_page(), app)
    give(page, photo)
    status(page, "holiday.png, 320×200 pixels.")
    assert app.files() == []
    translate(page)
    assert page.get_by_text("translated at 256×160 pixels").count() == 2
    for number, model in enumerate(app.actions.models):
        name, pixels = downloaded(page, number)
        assert name == f"holiday_{model.name}_translation.png"
        assert np.array_equal(pixels, enlarged(model.translator.translate(small(photo), "B"))), model.name
    assert app.files() == []


def small(photo: Path) -> np.ndarray:
    return scaled(Image.open(photo), (160, 256))


def enlarged(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((320, 200), Image.Resampling.LANCZOS))


def test_views_and_directions_show_what_they_say(open_page: Opened, app: ServedApp, photo: Path) -> None:
    page = begin(open_page(), app)
    give(page, photo)
    status(page, "holiday.png")
    page.get_by_label("B to A").check()
    translate(page)
    looking, source = app.actions.models[0].translator, small(photo)
    fake = looking.translate(source, "A")
    assert np.array_equal(right_image(page), fake)
    page.get_by_label("Cycle").check()
    page.locator("#meaning").get_by_text("translated back").wait_for()
    assert np.array_equal(right_image(page), looking.translate(fake, "B"))
    page.get_by_label("Difference").check()
    page.get_by_text("mean difference").first.wait_for()
    page.get_by_label("Heatmap").check()
    page.get_by_text("This model has no heatmap.").wait_for()
    assert page.get_by_role("link", name="Download PNG").count() == 1
    page.get_by_label("Translation").check()
    page.get_by_role("link", name="Download PNG").nth(1).wait_for()
    page.get_by_label("A to B").check()
    translate(page)
    page.wait_for_function("() => document.querySelectorAll('.nicegan-slider img').length == 4")
    assert np.array_equal(right_image(page), looking.translate(source, "B"))


@pytest.mark.parametrize("width", [1280, 390])
def test_the_slider_moves_and_all_fits_in_the_window(
    open_page: Opened, app: ServedApp, photo: Path, width: int
) -> None:
    page = begin(open_page(width), app)
    give(page, photo)
    status(page, "holiday.png")
    translate(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    handle = page.locator(".nicegan-slider [role=slider], .nicegan-slider .inner").first
    handle.scroll_into_view_if_needed()
    before = handle.bounding_box()
    page.mouse.move(before["x"] + before["width"] / 2, before["y"] + before["height"] / 2)
    page.mouse.down()
    page.mouse.move(before["x"] + before["width"] / 2 - 100, before["y"] + before["height"] / 2, steps=5)
    page.mouse.up()
    assert abs(before["x"] - handle.bounding_box()["x"] - 100) < 10


def test_styles_are_random_by_the_seed_or_those_of_an_example(
    open_page: Opened, app: ServedApp, photo: Path, tmp_path: Path
) -> None:
    page = begin(open_page(), app)
    styled = app.actions.models[1].translator
    give(page, photo)
    status(page, "holiday.png")
    page.get_by_label("random, by the seed").check()
    page.locator("#seed input").fill("7")
    page.locator("#seed input").blur()
    translate(page)
    style = random_style(styled, photo.read_bytes(), seed=7)
    assert np.array_equal(right_image(page, 1), styled.translate(small(photo), "B", style))
    page.get_by_label("of an example").check()
    translate(page)
    status(page, "there is no example of the style")
    (example,) = write_images(tmp_path / "example", 1, (80, 50), seed=4)
    give(page, example, "example")
    status(page, "image_000.png, 80×50 pixels.")
    translate(page)
    style = styled.style_of(np.asarray(Image.open(example)), "B")
    assert np.array_equal(right_image(page, 1), styled.translate(small(photo), "B", style))
    assert app.files() == []


def test_examples_and_the_choice_of_models(open_page: Opened, app: ServedApp) -> None:
    page = begin(open_page(), app)
    page.locator("#examples button").nth(1).click()
    status(page, "image_001.png, 90×60 pixels.")
    page.get_by_label("styled").uncheck()
    page.locator(".nicegan-slider").nth(1).wait_for(state="hidden")
    translate(page)
    assert page.get_by_text("translated at 90×60 pixels").count() == 1
    page.locator("#picture").get_by_label("Remove Image").click()
    status(page, "Give an image")


def test_paste(open_page: Opened, app: ServedApp) -> None:
    page = begin(open_page(permissions=["clipboard-read", "clipboard-write"]), app)
    page.evaluate(COPY)
    page.locator("#picture").get_by_label("Paste from clipboard").click()
    status(page, "40×30 pixels.")
    assert app.files() == []


COPY = """async () => {
  const canvas = new OffscreenCanvas(40, 30)
  canvas.getContext("2d").fillRect(0, 0, 20, 20)
  const blob = await canvas.convertToBlob()
  await navigator.clipboard.write([new ClipboardItem({"image/png": blob})])
}"""


def bomb(path: Path, side: int) -> Path:
    """A PNG of a few bytes that says it has side x side pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    return path


def test_a_bad_file_and_a_pixel_bomb_are_said_and_the_page_goes_on(
    open_page: Opened, app: ServedApp, photo: Path, tmp_path: Path
) -> None:
    page = begin(open_page(), app)
    (tmp_path / "notes.png").write_text("no image")
    (tmp_path / "half.png").write_bytes(photo.read_bytes()[:900])
    wrong = {
        tmp_path / "notes.png": "notes.png: not an image that can be read",
        tmp_path / "half.png": "half.png: ",
        bomb(tmp_path / "bomb.png", 8000): "bomb.png: 8000x8000 pixels are more than the 50,000,000 that are allowed",
        bomb(tmp_path / "bigger.png", 60000): "bigger.png: many more pixels than are allowed",
    }
    for path, words in wrong.items():
        give(page, path)
        status(page, words)
        page.locator(".toast-wrap").get_by_text(words).wait_for()
        assert app.files() == []
    page.get_by_role("button", name="Translate").click()
    status(page, "Give an image")
    give(page, photo)
    status(page, "holiday.png")
    translate(page)


def test_a_huge_file_is_refused_by_page_and_server(chromium: Any, app: ServedApp, tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(70 << 20)
    context = chromium.new_context()  # gradio's page asks for the progress of an upload that it has refused itself
    page = begin(context.new_page(), app)
    give(page, path)
    page.get_by_text("exceed the maximum allowed size of 64.0 Mb").first.wait_for()
    connection = HTTPConnection(app.url.removeprefix("http://"))
    connection.putrequest("POST", "/gradio_api/upload")
    connection.putheader("Content-Length", str(66 << 20))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (413, b"at most 65 MB are taken")
    connection.close()
    assert app.files() == []
    context.close()


def test_work_shows_its_progress_and_stops(open_page: Opened, app: ServedApp, photo: Path) -> None:
    layers: list[int] = []

    def slowed(module: Any, given: Any) -> None:
        layers.append(1)
        sleep(0.8)

    hooks = [
        module.register_forward_pre_hook(slowed)
        for model in app.actions.models
        for module in model.translator.networks.modules()
    ]
    try:
        page = begin(open_page(), app)
        give(page, photo)
        status(page, "holiday.png")
        page.get_by_role("button", name="Translate").click()
        page.locator("#status .progress-level").first.wait_for()
        status(page, "source is there.")
        page.get_by_role("button", name="Stop").click()
        status(page, "Stopped.")
        page.wait_for_timeout(300)
        before = len(layers)
        page.wait_for_timeout(500)
        assert len(layers) == before
        page.get_by_role("button", name="Translate").click()
        status(page, "source is there.")
        page.get_by_role("button", name="Stop").click()
        status(page, "Stopped.")
    finally:
        for hook in hooks:
            hook.remove()
    translate(page)


def test_a_closed_page_is_forgotten(open_page: Opened, app: ServedApp, photo: Path) -> None:
    page = begin(open_page(), app)
    give(page, photo)
    status(page, "holiday.png")
    held = len(app.actions.sessions)
    page.close()
    for _ in range(50):
        if len(app.actions.sessions) == held - 1:
            break
        sleep(0.1)
    assert len(app.actions.sessions) == held - 1
