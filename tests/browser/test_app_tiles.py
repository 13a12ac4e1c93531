"""Large pictures on the page: translated in tiles, with the result of the whole."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.apps import ServedApp, served_app
from tests.browser.test_app import begin, downloaded, give, translate
from tests.conftest import write_images
from tests.tiny_models import make_models

pytest.importorskip("gradio", reason="there is no gradio (pip install 'nicegan[app]')")
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("default"),  # gradio and what it is built on warn of each other
]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[ServedApp]:
    (model,) = make_models(tmp_path, "looking")
    model.translator.tile = 64
    with served_app([model], max_side=512) as one:
        yield one


@pytest.mark.parametrize("width", [1280, 390])
def test_a_large_picture_is_translated_in_tiles(
    app: ServedApp, width: int, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    (path,) = write_images(tmp_path / "in", 1, (320, 200), seed=3)
    page = begin(open_page(width), app)
    give(page, path)
    translate(page)
    assert page.get_by_text("translated at 320×200 pixels, in tiles of 64").is_visible()
    _, tiled = downloaded(page)
    translator = app.actions.models[0].translator
    translator.tile = None
    whole = translator.translate(np.asarray(Image.open(path)), "B")
    assert abs(tiled.astype(int) - whole).max() <= 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert app.files() == []
    page.screenshot(path=str(tmp_path / "page.png"), full_page=True)
