"""A page with a token in a real browser: the link opens it in every tab, a typed token does, and nothing else."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.apps import ServedApp, served_app
from tests.browser.conftest import ARGUMENTS, chromium_path
from tests.browser.test_app import begin, downloaded, give, photo, status, translate  # noqa: F401  a fixture
from tests.tiny_models import make_models

pytest.importorskip("gradio", reason="there is no gradio (pip install 'nicegan[app]')")
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("default"),  # gradio and what it is built on warn of each other
]

TOKEN = "s3cret-token_of-this-page"
Opened = Callable[..., Any]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApp]:
    with served_app(make_models(tmp_path_factory.mktemp("app"), "plain"), token=TOKEN) as one:
        yield one


def test_the_link_opens_the_page_and_its_token_goes_nowhere(
    open_page: Opened,
    app: ServedApp,
    photo: Path,  # noqa: F811
) -> None:
    page, asked = open_page(expected=("status of 403",)), list[str]()
    page.on("request", lambda request: asked.append(f"{request.url} {request.headers.get('referer')}"))
    page.goto(f"{app.url}/#{TOKEN}")
    page.get_by_role("button", name="Translate").wait_for()
    assert page.url == f"{app.url}/"
    give(page, photo)
    status(page, "holiday.png")
    translate(page)
    assert downloaded(page)[0] == "holiday_plain_translation.png"
    assert len(asked) > 10
    assert not [one for one in asked if TOKEN in one]
    other = page.context.new_page()
    begin(other, app)
    page.reload()
    page.get_by_role("button", name="Translate").wait_for()
    assert page.evaluate("document.cookie") == "", "no script can read it"


def test_a_wrong_token_is_refused_and_the_right_one_can_be_typed(open_page: Opened, app: ServedApp) -> None:
    page = open_page(390, expected=("status of 403",))
    page.goto(app.url)
    page.get_by_text("This page opens with the link").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_label("Token").fill("guess")
    page.get_by_role("button", name="Open").click()
    page.get_by_text("This is not the token of this page").wait_for()
    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Translate").wait_for()


def test_a_link_pasted_over_the_refusal_opens_the_page(open_page: Opened, app: ServedApp) -> None:
    page = open_page(expected=("status of 403",))
    page.goto(app.url)
    page.get_by_text("This page opens with the link").wait_for()
    page.goto(f"{app.url}/#{TOKEN}")  # the same address but for the token: the browser loads nothing
    page.get_by_role("button", name="Translate").wait_for()


def test_a_browser_without_cookies_is_told(chromium: Any, app: ServedApp, tmp_path: Path) -> None:
    settings = tmp_path / "Default" / "Preferences"
    settings.parent.mkdir()
    settings.write_text('{"profile": {"default_content_setting_values": {"cookies": 2}}}')
    with chromium.browser_type.launch_persistent_context(
        tmp_path, executable_path=chromium_path(), args=ARGUMENTS
    ) as context:
        page = context.new_page()
        with page.expect_response(lambda answer: answer.request.method == "POST"):
            page.goto(f"{app.url}/#{TOKEN}")
        page.wait_for_load_state()
        page.get_by_text("The browser has to take a cookie from this page.").wait_for()
        page.wait_for_timeout(500)
        assert page.get_by_role("button", name="Open").is_visible(), "and is not sent round and round"
        assert context.cookies() == []
