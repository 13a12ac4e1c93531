"""The server without a browser: what is closed, what is limited, and what remains."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image
from tests.apps import ServedApp, served_app
from tests.tiny_models import make_models, write_models

pytest.importorskip("gradio", reason="there is no gradio (pip install 'nicegan[app]')")

from nicegan.app.guard import HEADERS
from nicegan.app.server import own_folder, remove_leftovers

pytestmark = pytest.mark.filterwarnings("default")  # gradio and what it stands on warn of each other


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApp]:
    with served_app(make_models(tmp_path_factory.mktemp("app"), "plain")) as one:
        yield one


def ask(app: ServedApp, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    connection = HTTPConnection(app.url.removeprefix("http://"), timeout=20)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    found = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    connection.close()
    return found


def send_file(app: ServedApp, content: bytes, name: str = "a.png") -> list[str]:
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="' + name.encode()
    body += b'"\r\nContent-Type: image/png\r\n\r\n' + content + b"\r\n--x--\r\n"
    answer = ask(app, "/gradio_api/upload", "POST", body, Content_Type="multipart/form-data; boundary=x")
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


CLOSED = [
    "/gradio_api/proxy=http://127.0.0.1:1/",
    "/gradio_api/file/etc/passwd",
    "/gradio_api/call/take",
    "/gradio_api/openapi.json",
    "/gradio_api/runs",
    "/gradio_api/vibe-code",
    "/gradio_api/deep_link",
    "/docs",
    "/openapi.json",
    "/monitoring/x",
    "/result/none/0/translation.png",
    "/result/none/0/..%2f..%2fx.png",
]


@pytest.mark.parametrize("path", CLOSED)
def test_what_the_page_does_not_use_is_closed(app: ServedApp, path: str) -> None:
    answer = ask(app, path)
    assert answer.status in (404, 403), (answer.status, answer.body[:80])


def test_no_address_leads_to_a_file(app: ServedApp) -> None:
    (path,) = send_file(app, b"secret")
    assert Path(path).read_bytes() == b"secret"
    for address in (f"/gradio_api/file={path}", "/gradio_api/file=/etc/passwd", f"/gradio_api/file%3D{path}"):
        assert ask(app, address).headers["content-type"] == "image/gif", address
    for address in (f"/file={path}", f"/static/{path}", f"/assets/..{path}", f"//gradio_api/file={path}"):
        answer = ask(app, address)
        assert b"secret" not in answer.body, address
        assert answer.status != 200 or b"gradio" in answer.body, address
    Path(path).unlink()


def test_every_answer_keeps_the_page_to_itself(app: ServedApp) -> None:
    for path in ("/", "/config", "/nothing", "/gradio_api/file=x", "/gradio_api/runs"):
        found = ask(app, path).headers
        assert {name.lower(): value for name, value in HEADERS.items()}.items() <= found.items(), path


def test_the_page_names_no_other_machine_that_a_browser_would_ask(app: ServedApp) -> None:
    page = ask(app, "/").body.decode()
    for tag in ("script", "link", "img", "iframe"):
        for part in page.split(f"<{tag} ")[1:]:
            attributes = part.partition(">")[0]
            assert "//" not in attributes.replace(app.url, "") or 'rel="canonical"' in attributes, attributes


def test_only_names_of_this_machine_are_answered(app: ServedApp) -> None:
    for name in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.7", "[", ""):
        assert ask(app, "/config", Host=name).status == 400, name
    for name in ("localhost", "127.0.0.1:80", "[::1]:7860"):
        assert ask(app, "/config", Host=name).status == 200, name


def test_large_requests_are_refused(app: ServedApp) -> None:
    for length in (str(66 << 20), "-1", "many"):
        connection = HTTPConnection(app.url.removeprefix("http://"), timeout=20)
        connection.putrequest("POST", "/gradio_api/queue/join")
        connection.putheader("Content-Length", length)
        connection.endheaders()
        assert connection.getresponse().status in (413, 400), length
        connection.close()


def join(app: ServedApp, sent: Any, *, translating: bool = False) -> Answer:
    """Start an action as a browser does, with anything as one of its values; returns all that it says."""
    config = json.loads(ask(app, "/config").body)
    actions = config["dependencies"]
    if translating:
        action = max(actions, key=lambda one: len(one["inputs"]))
    else:
        action = next(one for one in actions if one["targets"] == [[field_id(config, "picture"), "change"]])
    data: list[Any] = [None] * len(action["inputs"])
    data[-1] = sent
    body = {"data": data, "fn_index": action["id"], "session_hash": "abc", "trigger_id": 1}
    answer = ask(app, "/gradio_api/queue/join", "POST", json.dumps(body).encode(), Content_Type="application/json")
    return ask(app, "/gradio_api/queue/data?session_hash=abc") if answer.status == 200 else answer


def field_id(config: dict[str, Any], name: str) -> int:
    return next(part["id"] for part in config["components"] if part["props"].get("elem_id") == name)


def file_at(path: Any) -> dict[str, Any]:
    return {"path": path, "orig_name": "a.png", "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("field", ["picture", "example"])
def test_the_answer_to_a_cleared_field_leaves_the_field_alone(app: ServedApp, field: str) -> None:
    """A paste clears its field first: an answer for the field would come after the image, and empty it again."""
    config = json.loads(ask(app, "/config").body)
    number = field_id(config, field)
    outputs = {event: one["outputs"] for one in config["dependencies"] for at, event in one["targets"] if at == number}
    assert number in outputs["change"]
    assert number not in outputs["clear"]


def test_an_action_gets_no_file_but_uploads_and_no_address(app: ServedApp, tmp_path: Path) -> None:
    other = tmp_path / "private.png"
    Image.new("RGB", (20, 20)).save(other)
    foreign = [str(other), f"{app.folder}/../{tmp_path.relative_to(app.folder.parent)}/private.png", 7, [str(other)]]
    (app.folder / "link.png").symlink_to(other)
    foreign += [str(app.folder / "link.png"), "http://127.0.0.1:9/a.png", "file:///etc/passwd"]
    for path in foreign:
        for translating in (False, True):
            answer = join(app, file_at(path), translating=translating)
            assert (answer.status, answer.body) == (400, b"this is no request of the page"), path
    (app.folder / "link.png").unlink()
    assert app.actions.sessions.of("abc").picture is None
    for words, is_answered in ((str(other), False), ([str(other)], False), ({"url": "http://127.0.0.1:9/a.png"}, True)):
        assert (b'"success":true' in join(app, words).body) == is_answered, words
    assert app.actions.sessions.of("abc").picture is None
    assert ask(app, "/gradio_api/run/predict", "POST", b"[" * 100_000).status == 400
    (path,) = send_file(app, b"words")
    assert b"not an image that can be read" in join(app, file_at(path)).body
    assert not Path(path).exists()


def test_uploads_that_nobody_fetched_are_removed(app: ServedApp) -> None:
    (old,), (new,) = send_file(app, b"old"), send_file(app, b"new")
    os.utime(old, (0, 0))
    remove_leftovers(app.folder, 60)
    assert not Path(old).parent.exists()
    assert Path(new).exists()
    Path(new).unlink()


def test_the_folder_goes_and_the_environment_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "True")
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    usual = tempfile.gettempdir()
    with own_folder() as folder:
        assert os.environ["GRADIO_TEMP_DIR"] == str(folder) == tempfile.gettempdir()
        assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "file").touch()
    assert not folder.exists()
    assert (os.environ["GRADIO_ANALYTICS_ENABLED"], "GRADIO_TEMP_DIR" in os.environ) == ("True", False)
    assert tempfile.gettempdir() == usual


SPY = """
import socket, sys
connect, lookup = socket.socket.connect, socket.getaddrinfo
def spied(self, address):
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1"): print("ASKED", address, flush=True)
    return connect(self, address)
def spied_lookup(host, *rest, **more):
    if host not in ("127.0.0.1", "localhost", None): print("ASKED", host, flush=True)
    return lookup(host, *rest, **more)
socket.socket.connect, socket.getaddrinfo = spied, spied_lookup
from nicegan.cli import main
main(sys.argv[1:])
"""


INTERRUPT = pytest.param(
    signal.SIGINT, marks=pytest.mark.skipif("NICEGAN_THOROUGH" not in os.environ, reason="set NICEGAN_THOROUGH")
)


@pytest.mark.parametrize("number", [signal.SIGTERM, INTERRUPT])
def test_a_signal_ends_it_nothing_remains_and_nobody_was_asked(tmp_path: Path, number: signal.Signals) -> None:
    (model,) = write_models(tmp_path, "plain")
    environment: dict[str, Any] = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-c", SPY, "app", str(model), "--port", "0", "--device", "cpu"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as one:
        try:
            said = one.stdout.readline() if one.stdout else ""
            assert said.startswith("open http://127.0.0.1:"), said
            app = ServedApp(said.split()[1].rstrip("/"), None, tmp_path)  # pyright: ignore[reportArgumentType]
            assert ask(app, "/").status == 200
            send_file(app, b"words")
            assert next((tmp_path / "tmp").iterdir()).name.startswith("nicegan-app-")
            page = HTTPConnection(app.url.removeprefix("http://"), timeout=20)
            page.request("GET", "/gradio_api/heartbeat/abc")
            assert page.getresponse().status == 200, "an open page waits for news"
            one.send_signal(number)
            rest, problems = one.communicate(timeout=30)
            page.close()
        finally:
            one.kill()
    assert one.returncode == 128 + number, problems
    assert "ASKED" not in said + rest
    assert problems == ("nicegan: interrupted\n" if number == signal.SIGINT else "")
    assert list((tmp_path / "tmp").iterdir()) == []
