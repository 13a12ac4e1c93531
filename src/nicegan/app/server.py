"""The server of the page: this machine alone unless asked, small requests only, and no file that outlasts a request."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import uvicorn
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from nicegan.app.actions import Actions
from nicegan.app.guard import App, guarded
from nicegan.app.pictures import MAX_BYTES
from nicegan.listening import is_loopback

LEFTOVER_SECONDS = 60  # after which an upload that nobody fetched is removed
ENVIRONMENT = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


@contextmanager
def own_folder() -> Iterator[Path]:
    """Let gradio write to a folder that goes when the context ends, and ask no other machine anything.

    Sets variables of the environment and Python's temporary folder while the context lasts.
    """
    before = {name: os.environ.get(name) for name in (*ENVIRONMENT, "GRADIO_TEMP_DIR")}
    usual = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="nicegan-app-", ignore_cleanup_errors=True) as folder:
        os.environ |= {**ENVIRONMENT, "GRADIO_TEMP_DIR": folder}
        tempfile.tempdir = folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = usual
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def build_app(actions: Actions, thumbnails: Sequence[str], max_side: int, folder: Path, host: str) -> App:
    """Return the application: the page, and its results as files to download.

    Args:
        actions: of the page.
        thumbnails: data URLs of the examples.
        max_side: the longest side in pixels that anybody may choose.
        folder: that of `own_folder`.
        host: the address that is served; on this machine's own one, other names are refused.
    """
    import gradio as gr
    from gradio.themes import Default

    from nicegan.app.page import CSS, build_page

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(sweep(folder))
        yield
        sweeping.cancel()
        actions.sessions.close()

    app = FastAPI(openapi_url=None, lifespan=lifespan)
    app.get("/result/{token}/{number}/{view}.png", response_model=None)(download_of(actions))
    page = build_page(actions, thumbnails, max_side)
    font = ["system-ui", "sans-serif"]
    gr.mount_gradio_app(
        app, page, path="/", server_name=host, theme=Default(font=font, font_mono=["monospace"]),
        css=CSS, footer_links=[], run_history=False, max_file_size=MAX_BYTES, ssr_mode=False, show_error=True,
        pwa=False, mcp_server=False, enable_monitoring=False,
    )  # fmt: skip
    return guarded(app, folder, own_names=is_loopback(host))


def download_of(actions: Actions) -> Callable[[str, int, str], Awaitable[Response]]:
    """Return what answers the addresses of results."""

    async def result(token: str, number: int, view: str) -> Response:
        found = await run_in_threadpool(actions.download, token, number, view)
        if found is None:
            return PlainTextResponse("This result is no longer held: translate again.", 404)
        disposition = f"attachment; filename*=UTF-8''{quote(found.name)}"
        headers = {"Content-Disposition": disposition, "Cache-Control": "no-store"}
        return Response(found.content, media_type="image/png", headers=headers)

    return result


async def sweep(folder: Path) -> None:
    """Remove, again and again, uploads that no request has fetched."""
    while True:
        await asyncio.sleep(LEFTOVER_SECONDS / 4)
        await run_in_threadpool(remove_leftovers, folder, LEFTOVER_SECONDS)


def remove_leftovers(folder: Path, seconds: float) -> None:
    """Remove the files below the folder that are older, and the folders that are empty."""
    for parent, _, names in os.walk(folder, topdown=False):
        for path in (Path(parent, name) for name in names):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > seconds:
                    path.unlink()
        if Path(parent) != folder:
            with suppress(OSError):  # it is not empty
                os.rmdir(parent)


def serve(app: App, listener: socket.socket) -> None:
    """Serve until a signal ends it; SystemExit or KeyboardInterrupt follows, so that what is open is closed."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, frame: sys.exit(128 + number))
    Server(server_config(app)).run(sockets=[listener])


class Server(uvicorn.Server):
    """A server that parts with open pages when it ends: each waits for news without an end."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Break all connections, then end."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


def server_config(app: App) -> uvicorn.Config:
    """Return how to serve: quietly, and without waiting long for pages that are open."""
    return uvicorn.Config(
        app, log_level="error", access_log=False, server_header=False, timeout_graceful_shutdown=1, ws="none"
    )
