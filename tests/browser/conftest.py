"""A real browser: the system's chromium, driven by playwright; the tests are skipped where either is missing."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream",  # a camera that shows a moving pattern
    "--use-fake-ui-for-media-stream",  # and nobody is asked whether the page may use it
]
EXPECTED = ("ERR_INTERNET_DISCONNECTED", "ERR_FAILED", "ERR_CONNECTION_", "ERR_EMPTY_RESPONSE", "status of 409")


def chromium_path() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    path = chromium_path()
    if path is None:
        pytest.skip("there is no chromium (apt-get install chromium)")
    library = pytest.importorskip("playwright.sync_api", reason="there is no playwright (pip install playwright)")
    with library.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open a page in a browser of its own; whatever it complains of, or asks of other machines, fails the test."""
    contexts, complaints, allowed = [], list[str](), [*EXPECTED]

    def opened(width: int = 1280, height: int = 800, *, expected: Sequence[str] = (), **options: Any) -> Any:
        allowed.extend(expected)
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda problem: complaints.append(str(problem)))
        page.on("request", lambda asked: complaints.append(asked.url) if "//127.0.0.1" not in asked.url else None)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [said for said in complaints if not any(word in said for word in allowed)] == []
