"""A study served on the loopback, in a thread or as a process of its own, and raters without a browser."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread
from typing import NamedTuple
from urllib.parse import urlencode

import uvicorn

from nicegan.listening import open_port
from nicegan.study.definition import OpenStudy
from nicegan.study.server import build_app
from nicegan.study.session import Session
from nicegan.study.store import VoteStore

JSON = {"Accept": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Client:
    """Sends requests over one connection."""

    def __init__(self, port: int, timeout: float = 30) -> None:
        self.connection = HTTPConnection("127.0.0.1", port, timeout=timeout)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        self.connection.request(method, path, body, headers or {})
        response: HTTPResponse = self.connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, response.read())

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def post(self, path: str, fields: dict[str, object], headers: dict[str, str] | None = None) -> Answer:
        return self.ask("POST", path, urlencode(fields).encode(), FORM | (headers or {}))

    def close(self) -> None:
        self.connection.close()


class Served(NamedTuple):
    """A study that is served in a thread of the test; `clients` are closed with it."""

    session: Session
    port: int
    clients: list[Client]

    def client(self) -> Client:
        self.clients.append(Client(self.port))
        return self.clients[-1]


@contextmanager
def served(study: OpenStudy, token: str | None = None) -> Iterator[Served]:
    store = VoteStore(study)
    session = Session(study, store)
    listener = open_port("127.0.0.1", 0)
    config = uvicorn.Config(build_app(session, token), log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    clients: list[Client] = []
    try:
        yield Served(session, listener.getsockname()[1], clients)
    finally:
        for client in clients:
            client.close()
        server.should_exit = True
        thread.join(10)
        listener.close()
        store.close()


@contextmanager
def process_of(study: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Within: `nicegan study serve` as a process of its own, and its port; it is killed at the end."""
    command = [sys.executable, "-m", "nicegan", "study", "serve", str(study), "--port", str(port)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
        assert found, process.communicate()[1]
        yield process, int(found[1])
    finally:
        process.kill()
        process.communicate()


class Page(NamedTuple):
    """A trial as a rater's browser gets it; `trial` is None at the end."""

    trial: int | None
    answers: list[str]
    images: list[str]
    ahead: list[str]
    text: str


def read_page(answer: Answer) -> Page:
    text = answer.text
    assert answer.status == 200, text
    number = re.search(r'name="trial" value="(\d+)"', text)
    ahead = re.search(r'data-ahead="([^"]*)"', text)
    return Page(
        int(number[1]) if number else None,
        re.findall(r'name="answer" value="([^"]+)"', text),
        re.findall(r'<img src="([^"]+)"', text),
        ahead[1].split() if ahead else [],
        text,
    )


def join(client: Client, path: str = "/") -> str:
    """Press the button of the first page; returns the rater's own address."""
    key = re.search(r'name="key" value="([0-9a-f]{32})"', client.get(path).text)
    assert key
    answer = client.post(path, {"key": key[1]})
    assert answer.status == 303, answer.text
    return answer.headers["location"]


def ballot(page: Page, answer: str, identity: str | None = None) -> dict[str, object]:
    return {"trial": page.trial, "answer": answer, "id": identity or secrets.token_hex(16), "milliseconds": 1234}
