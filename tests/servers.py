"""A file server on localhost that can be told to misbehave."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import sleep


class Server(ThreadingHTTPServer):
    """Serves one content at every path."""

    content = b""
    knows_ranges = True
    says_length = True
    break_after: int | None = None  # bytes of the body, then the connection is closed
    tag = '"one"'
    status = 200
    length: int | None = None  # to be claimed, whatever the body's is
    first: int | None = None  # byte that ranges are said to begin at
    pause_after: int | None = None  # bytes of the body, then nothing comes until this is None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []  # the Range of each request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.bin"


class Handler(BaseHTTPRequestHandler):
    """GET only."""

    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:  # noqa: N802
        server, asked = self.server, self.headers.get("Range")
        server.asked.append(asked)
        if server.status != 200:
            self.send_error(server.status)
            return
        same = self.headers.get("If-Range") in (None, server.tag)
        first = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.knows_ranges and same else 0
        if first and first >= len(server.content):
            self.send_error(416)
            return
        body = server.content[first:]
        self.send_response(206 if first else 200)
        self.send_header("ETag", server.tag)
        if server.says_length:
            self.send_header("Content-Length", str(server.length or len(body)))
        if first and server.first is not None:
            self.send_header("Content-Range", f"bytes {server.first}-{len(server.content) - 1}/{len(server.content)}")
        self.end_headers()
        with suppress(ConnectionError):  # a client that has seen enough
            if pause := server.pause_after:
                self.wfile.write(body[:pause])
                body = body[pause:]
                while server.pause_after:
                    sleep(0.02)
            self.wfile.write(body[: server.break_after])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@contextmanager
def file_server(content: bytes) -> Iterator[Server]:
    with Server() as server:
        server.content = content
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
