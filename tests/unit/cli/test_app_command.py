"""nicegan app from the command line: every mistake is one line, before the page is served."""

import io
import socket
from importlib import util
from pathlib import Path

import pytest
from tests.tiny_models import write_models
from tests.unit.cli.test_commands import run

from nicegan import extras
from nicegan.cli import app as app_command
from nicegan.listening import is_loopback, open_port


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (path,) = write_models(tmp_path / "models", "plain")
    (tmp_path / "models" / "broken.safetensors").write_bytes(path.read_bytes()[:300])
    (tmp_path / "empty").mkdir()
    return path


MISTAKES = [
    ([], "there are no models: name one or more"),
    (["nowhere"], "nowhere does not exist"),
    (["BROKEN"], "broken.safetensors is not a readable model file"),
    (["MODEL", "--examples", "EMPTY"], "empty holds no images"),
    (["MODEL", "--examples", "nowhere"], "nowhere is not a folder"),
    (["MODEL", "--port", "TAKEN"], "Address already in use; choose another --host or --port"),
    (["MODEL", "--port", "99999"], "--port: should be less than or equal to 65535"),
    (["MODEL", "--host", "no such host"], "choose another --host or --port"),
    (["MODEL", "--max-side", "3"], "--max-side: should be greater than or equal to 64"),
    (["MODEL", "--device", "toaster"], "device 'toaster' cannot be used here"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=lambda given: str(given)[:40])
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gradio", reason="there is no gradio (pip install 'nicegan[app]')")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        words = {
            "MODEL": str(model),
            "BROKEN": str(model.with_name("broken.safetensors")),
            "EMPTY": str(tmp_path / "empty"),
            "TAKEN": str(other.getsockname()[1]),
        }
        given = [words.get(argument, argument) for argument in arguments]
        port = [] if "--port" in given else ["--port", "0"]
        code, out, said = run(["app", *given, *port], capsys)
    assert (code, out, said.strip().count("\n")) == (2, "", 0), said
    assert message in said


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "gradio" else util.find_spec(name))
    code, _, said = run(["app", "runs/mine"], capsys)
    assert (code, said) == (2, "nicegan: app needs gradio: pip install 'nicegan[app]'\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("host", "begins"), [("127.0.0.1", "http://127.0.0.1:"), ("0.0.0.0", "http://127.0.0.1:"), ("::1", "http://[::1]:")]
)
def test_the_address_is_said_as_a_browser_takes_it(host: str, begins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    token = None if is_loopback(host) else "word"
    with open_port(host, 0) as listener, app_command.announced(listener, token):
        first, *rest = terminal.getvalue().splitlines()
        port = listener.getsockname()[1]
    assert first == f"open {begins}{port}/{'#word' if token else ''} in a browser; Ctrl-C ends"
    assert len(rest) == (token is not None), "who cannot come is told nothing"
