"""A page that other machines reach: nothing of it is there for those who have no token, and no log gets the token."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.apps import ServedApp, served_app
from tests.tiny_models import make_models, write_models

pytest.importorskip("gradio", reason="there is no gradio (pip install 'nicegan[app]')")

from tests.unit.app.test_app_server import Answer, ask

from nicegan.app.access import COOKIE, MAX_FORM
from nicegan.app.guard import HEADERS

pytestmark = pytest.mark.filterwarnings("default")  # gradio and what it is built on warn of each other

TOKEN = "s3cret-token_of-this-page"
FORM = {"Content_Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApp]:
    with served_app(make_models(tmp_path_factory.mktemp("app"), "plain"), token=TOKEN) as one:
        yield one


def enter(app: ServedApp, token: str, **headers: str) -> Answer:
    return ask(app, "/enter", "POST", urlencode({"token": token}).encode(), **FORM, **headers)


def test_the_token_opens_the_page_and_all_that_it_loads(app: ServedApp) -> None:
    answer = enter(app, TOKEN)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert (cookie.value, cookie["httponly"], cookie["samesite"].lower()) == (TOKEN, True, "strict")
    page = ask(app, "/", Cookie=f"{COOKIE}={TOKEN}")
    assert (page.status, b"gradio" in page.body) == (200, True)
    loaded = re.findall(r'(?:src|href)="\.?(/[^"]+)"', page.body.decode())
    assert len(loaded) >= 3
    for path in ["/config", *loaded]:
        assert ask(app, path, Cookie=f"{COOKIE}={TOKEN}").status == 200, path
        refused(ask(app, path))


def refused(answer: Answer) -> None:
    assert answer.status == 403, answer
    assert "set-cookie" not in answer.headers
    assert TOKEN not in f"{answer.headers} {answer.body}"
    assert {name.lower(): value for name, value in HEADERS.items()}.items() <= answer.headers.items()


ADDRESSES = [
    ("GET", "/"),
    ("HEAD", "/"),
    ("POST", "/"),
    ("GET", "/?__theme=dark"),
    ("GET", "//"),
    ("GET", "/enter"),
    ("POST", "/enter"),
    ("POST", "/enter/"),
    ("GET", "/config"),
    ("GET", "/config/"),
    ("OPTIONS", "/gradio_api/upload"),
    ("POST", "/gradio_api/upload"),
    ("GET", "/gradio_api/upload_progress?upload_id=x"),
    ("POST", "/gradio_api/queue/join"),
    ("GET", "/gradio_api/queue/data?session_hash=x"),
    ("GET", "/gradio_api/queue/status"),
    ("POST", "/gradio_api/run/predict"),
    ("POST", "/gradio_api/cancel"),
    ("GET", "/gradio_api/heartbeat/x"),
    ("GET", "/gradio_api/startup-events"),
    ("GET", "/gradio_api/info"),
    ("GET", "/gradio_api/file=/etc/passwd"),
    ("GET", "/gradio_api/file/etc/passwd"),
    ("GET", "/file=/etc/passwd"),
    ("GET", "/static/../../etc/passwd"),
    ("GET", "/result/x/0/translation.png"),
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/%2e%2e/config"),
    ("BREW", "/config"),
]


@pytest.mark.parametrize(("method", "path"), ADDRESSES, ids=lambda part: part)
def test_without_the_token_nothing_is_there(app: ServedApp, method: str, path: str) -> None:
    refused(ask(app, path, method))
    refused(ask(app, path, method, None, Cookie=f"{COOKIE}=wrong"))


@pytest.mark.parametrize(
    "headers",
    [
        {"Referer": f"http://127.0.0.1/#{TOKEN}"},
        {"Referer": f"http://127.0.0.1/enter?token={TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}"},
        {"Cookie": f"other={TOKEN}"},
        {"Cookie": f"{COOKIE}={TOKEN[:-1]}"},
        {"Cookie": f"{COOKIE}={TOKEN}x"},
        {"Cookie": f"{COOKIE}="},
        {"Cookie": f"{COOKIE}=\xe4"},
        {"X_Forwarded_For": "127.0.0.1", "Host": "localhost"},
    ],
    ids=str,
)
def test_only_the_cookie_opens(app: ServedApp, headers: dict[str, str]) -> None:
    for path in ("/config", f"/?token={TOKEN}", f"/{TOKEN}"):
        refused(ask(app, path, "GET", None, **headers))
    refused(ask(app, f"/enter?token={TOKEN}", "POST", None, **headers))


@pytest.mark.parametrize("token", ["", " ", "wrong", TOKEN.upper(), TOKEN[:-1], TOKEN + TOKEN, "ä", "\x00", "%00"])
def test_a_wrong_token_is_said(app: ServedApp, token: str) -> None:
    answer = enter(app, token)
    refused(answer)
    assert b"This is not the token of this page" in answer.body


def test_a_token_may_be_pasted_with_blanks(app: ServedApp) -> None:
    assert enter(app, f" {TOKEN}\n").status == 303


def test_forms_that_are_none_or_huge_open_nothing(app: ServedApp) -> None:
    refused(ask(app, "/enter", "POST", b"\xff\xfe\x00", **FORM))
    refused(ask(app, "/enter", "POST", b'{"token": "' + TOKEN.encode() + b'"}', Content_Type="application/json"))
    answer = ask(app, "/enter", "POST", f"token={TOKEN}&x={'y' * MAX_FORM}".encode(), **FORM)
    assert (answer.status, "set-cookie" in answer.headers) == (413, False)


def test_a_websocket_needs_the_token_too(app: ServedApp) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "eA==",
    }
    for path in ("/", "/gradio_api/queue/join", "/queue/join"):
        refused(ask(app, path, "GET", None, **upgrade))


def network_address() -> str | None:
    """An address of this machine that others could reach; asks nobody, since nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return one.getsockname()[0]


def test_the_command_keeps_the_token_out_of_what_others_read(tmp_path: Path) -> None:
    (model,) = write_models(tmp_path, "plain")
    (tmp_path / "tmp").mkdir()
    environment: dict[str, Any] = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    command = [
        sys.executable,
        "-m",
        "nicegan",
        "app",
        str(model),
        "--host",
        "0.0.0.0",
        "--port",
        "0",
        "--device",
        "cpu",
    ]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as one:
        try:
            said = one.stdout.readline() if one.stdout else ""
            found = re.fullmatch(r"open the link in (.+), which only you can read, in a browser; Ctrl-C ends\n", said)
            assert found, said
            assert Path(found[1]).stat().st_mode & 0o777 == 0o600
            url, _, token = Path(found[1]).read_text().strip().rpartition("/#")
            assert len(token) > 20
            own = ServedApp(url, None, tmp_path)  # pyright: ignore[reportArgumentType]
            assert ask(own, "/config").status == 403
            assert enter(own, token).status == 303
            assert ask(own, "/config", Cookie=f"{COOKIE}={token}").status == 200
            if address := network_address():
                other = own._replace(url=f"http://{address}:{url.rpartition(':')[2]}")
                assert ask(other, "/config").status == 403
                assert ask(other, "/config", Cookie=f"{COOKIE}={token}").status == 200
            one.send_signal(signal.SIGTERM)
            rest, problems = one.communicate(timeout=30)
        finally:
            one.kill()
    assert one.returncode == 128 + signal.SIGTERM, problems
    assert token not in said + rest + problems
    assert list((tmp_path / "tmp").iterdir()) == []
