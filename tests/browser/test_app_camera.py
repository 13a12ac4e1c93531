"""A photograph of the browser's camera is translated like any other image."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.apps import ServedApp, served_app
from tests.browser.test_app import begin, downloaded, status, translate
from tests.tiny_models import make_models

from nicegan.data.cache import scaled

pytest.importorskip("gradio", reason="there is no gradio (pip install 'nicegan[app]')")
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("default"),  # gradio and what it is built on warn of each other
]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApp]:
    with served_app(make_models(tmp_path_factory.mktemp("app"), "plain")) as one:
        yield one


@pytest.mark.parametrize("width", [1280, 390])
def test_a_photograph_is_taken_and_translated(chromium: Any, app: ServedApp, width: int) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 844})  # gradio asks for an upload with no name
    page = begin(context.new_page(), app)
    page.set_default_timeout(20_000)
    page.get_by_role("button", name="Capture from camera").click()
    page.get_by_text("Click to Access Webcam").click()
    page.wait_for_function("() => (document.querySelector('#picture video') || {}).videoWidth > 0")
    page.get_by_role("button", name="capture photo").click()
    status(page, "pixels.")
    *_, session = app.actions.sessions._sessions.values()  # the last one used
    picture = session.picture
    assert picture
    photograph = np.asarray(picture.read())
    assert np.abs(photograph[:40].mean((0, 1)) - [0, 136, 0]).max() < 12, "chromium's camera shows a green field"
    status(page, f"{photograph.shape[1]}×{photograph.shape[0]} pixels.")
    assert app.files() == []
    translate(page)
    small = scaled(picture.read(), (256 * photograph.shape[0] // photograph.shape[1], 256))
    _, pixels = downloaded(page)
    assert pixels.shape == photograph.shape
    expected = app.actions.models[0].translator.translate(small, "B")
    assert np.array_equal(pixels, scaled_up(expected, photograph.shape))
    context.close()


def scaled_up(pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((shape[1], shape[0]), Image.Resampling.LANCZOS))
