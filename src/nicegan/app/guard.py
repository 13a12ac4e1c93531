"""What stands between the network and gradio: limits, headers, and only those requests that the page itself makes."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from nicegan.app.pictures import MAX_BYTES
from nicegan.listening import is_loopback

App = Callable[..., Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]
MAX_BODY = MAX_BYTES + (1 << 20)  # bytes of a request: a file and what surrounds it
MAX_CALL = 1 << 20  # bytes of a request that starts an action
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
API = "/gradio_api/"
FILES = "/gradio_api/file="
OPENAPI = "/openapi.json"
CALLS = tuple(API + name for name in ("queue/join", "run/predict"))
OPEN = tuple(
    API + name
    for name in ("queue/", "run/predict", "upload", "heartbeat/", "cancel", "reset", "startup-events", "app_id", "info")
)
NOTHING = base64.b64decode("R0lGODlhAQABAAAAACH5BAEAAAAALAAAAAABAAEAAAIBAAA=")  # a GIF of one clear pixel
ENCODED_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


def guarded(app: App, folder: Path, *, own_names: bool) -> App:
    """Return the application with headers that keep the page to itself, and limits for what it is sent.

    Of gradio's interface only what the page uses is open, and no address leads to a file: of an upload, which the
    browser asks back at once, it gets nothing before the small copy comes. An action gets no file but uploads: gradio
    would read any file, and fetch any address, that a request names.

    Args:
        app: the application.
        folder: where uploads are.
        own_names: whether this machine's own names alone are answered, so that no name of a foreign page leads here.
    """

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *ENCODED_HEADERS]
            await send(message)

        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        refusal, allowed = refused(scope, own_names=own_names), limited(receive, MAX_BODY)
        if refusal is None and scope["path"].startswith(CALLS):
            call = await checked_call(Request(scope, limited(receive, MAX_CALL)), folder)
            refusal = None if call else PlainTextResponse("this is no request of the page", 400)
            allowed = call or allowed
        await (refusal or app)(scope, allowed, send_with_headers)

    return answer


def refused(scope: Any, *, own_names: bool) -> Response | None:
    """Return the answer to a request that is not for the page; None if it is."""
    path, headers = scope["path"], dict(scope["headers"])
    if own_names and not is_own_name(headers.get(b"host", b"").decode("latin-1")):
        return PlainTextResponse("this page has the names 127.0.0.1 and localhost only", 400)
    if path.startswith(FILES):
        return Response(NOTHING, media_type="image/gif")
    if path == OPENAPI or (path.startswith(API) and not path.startswith(OPEN)):
        return PlainTextResponse("Not Found", 404)
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > MAX_BODY:
        return PlainTextResponse(f"at most {MAX_BODY >> 20} MB are taken", 413)
    return None


def is_own_name(host: str) -> bool:
    """Return whether a request's Host, with or without a port, is a name of this machine that no other can have."""
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def limited(receive: Receive, most: int) -> Receive:
    """Return a receiver that ends a request whose body is too long, whatever length it has announced."""
    taken = 0

    async def receive_some() -> Any:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return {"type": "http.disconnect"} if taken > most else message

    return receive_some


async def checked_call(request: Request, folder: Path) -> Receive | None:
    """Return what receives the body of a request that starts an action; None if it is none, or names a foreign file."""
    try:
        content = json.loads(await request.body())
        if names_foreign_file(content, folder):
            return None
        body = json.dumps(content).encode()  # what follows reads what was checked, whatever the bytes were
    except (ValueError, RecursionError, ClientDisconnect):
        return None
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])
    receive = request.receive

    async def receive_checked() -> Any:
        return next(messages, None) or await receive()

    return receive_checked


def names_foreign_file(content: Any, folder: Path) -> bool:
    """Return whether any part of a request's content is a file, or an address, outside the folder of uploads."""
    if isinstance(content, list):
        return any(names_foreign_file(part, folder) for part in content)
    if not isinstance(content, dict):
        return False
    path = content.get("path")
    if path is not None and not (isinstance(path, str) and Path(path).resolve().is_relative_to(folder.resolve())):
        return True
    return any(names_foreign_file(part, folder) for part in content.values())
