"""nicegan app: a page in the browser on which anybody can try models."""

from __future__ import annotations

import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import Field

from nicegan.cli.parse import parse
from nicegan.config import Frozen, Precision


class AppArguments(Frozen):
    """Try models in a browser: give an image, see its translations side by side. Ctrl-C ends.

    nicegan app runs/mine

    nicegan app runs/mine runs/other --examples photos/testA

    Only this machine can reach the page, unless --host says otherwise; others then need the link that is printed.
    Images of the page are kept in memory while the page is open; a disk holds them only while a request runs.
    """

    models: Annotated[tuple[Path, ...], tyro.conf.Positional, Field(min_length=1)]
    """Run folders, model.safetensors files or checkpoints (RUN@8000, RUN@best, RUN@latest), side by side."""
    examples: Path | None = None
    """Folder of images to choose from; of many, some at equal distances."""
    max_side: Annotated[int, Field(ge=64, le=8192)] = 4096
    """Longest side in pixels that people can choose (the page begins with 1024); larger images are shrunk to it, and
    their results enlarged."""
    tile: Annotated[int, Field(ge=64)] | None = None
    """Translate images with a longer side in tiles of so many pixels, with the same result; if not given, only what
    does not fit in memory as a whole is tiled."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every network of this machine, with a token in the link."""
    port: Annotated[int, Field(ge=0, le=65535)] = 7860
    """Port to listen on; 0 takes any that is free."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 ..."""
    precision: Precision = "auto"
    """Arithmetic; auto means bfloat16 on an NVIDIA GPU and float32 elsewhere."""


def run(arguments: list[str]) -> int:
    """Serve the page until a signal ends it; returns the exit code."""
    given = parse(AppArguments, arguments, "app")

    from nicegan.app.access import with_token
    from nicegan.app.actions import Actions
    from nicegan.app.examples import find_examples
    from nicegan.app.models import load_models
    from nicegan.app.server import build_app, own_folder, serve
    from nicegan.app.sessions import Sessions
    from nicegan.data.folders import ignore_image_warnings
    from nicegan.listening import is_loopback, open_port

    ignore_image_warnings()
    examples = find_examples(given.examples) if given.examples else []
    with open_port(given.host, given.port) as listener:
        models = load_models(given.models, given.device, given.precision, given.tile)
        actions = Actions(models, Sessions(), [example.path for example in examples])
        host, thumbnails = listener.getsockname()[0], [example.thumbnail for example in examples]
        token = None if is_loopback(host) else secrets.token_urlsafe(16)
        with announced(listener, token), own_folder() as folder:
            app = build_app(actions, thumbnails, given.max_side, folder, host)
            serve(with_token(app, token) if token else app, listener)
    return 0


@contextmanager
def announced(listener: socket.socket, token: str | None) -> Iterator[None]:
    """Say where the page is; where others may read that, as in a log, the token is in a file of its owner alone."""
    from nicegan.listening import said_to_others, url_of

    url, others = f"{url_of(listener)}/", said_to_others(listener)
    if token is None or sys.stdout.isatty():
        say(f"open {url}{f'#{token}' if token else ''} in a browser; Ctrl-C ends\n{others}")
        yield
        return
    with tempfile.NamedTemporaryFile("w", prefix="nicegan-link-", suffix=".txt") as file:
        file.write(f"{url}#{token}\n")
        file.flush()
        say(f"open the link in {file.name}, which only you can read, in a browser; Ctrl-C ends\n{others}")
        yield


def say(text: str) -> None:
    """Write at once, whoever reads."""
    sys.stdout.write(text)
    sys.stdout.flush()
