"""nicegan app: a page in the browser on which anybody can try models."""

from __future__ import annotations

import sys
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

    Only this machine can reach the page, unless --host says otherwise. Images of the page are kept in memory while the
    page is open, and on no disk.
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
    """Address to listen on; 0.0.0.0 for every network of this machine, without a password."""
    port: Annotated[int, Field(ge=0, le=65535)] = 7860
    """Port to listen on; 0 takes any that is free."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 ..."""
    precision: Precision = "auto"
    """Arithmetic; auto means bfloat16 on an NVIDIA GPU and float32 elsewhere."""


def run(arguments: list[str]) -> int:
    """Serve the page until a signal ends it; returns the exit code."""
    given = parse(AppArguments, arguments, "app")

    from nicegan.app.actions import Actions
    from nicegan.app.examples import find_examples
    from nicegan.app.models import load_models
    from nicegan.app.server import build_app, own_folder, serve
    from nicegan.app.sessions import Sessions
    from nicegan.data.folders import ignore_image_warnings
    from nicegan.listening import open_port

    ignore_image_warnings()
    examples = find_examples(given.examples) if given.examples else []
    with open_port(given.host, given.port) as listener:
        models = load_models(given.models, given.device, given.precision, given.tile)
        actions = Actions(models, Sessions(), [example.path for example in examples])
        with own_folder() as folder:
            thumbnails = [example.thumbnail for example in examples]
            app = build_app(actions, thumbnails, given.max_side, folder, given.host)
            sys.stdout.write(address(*listener.getsockname()[:2]))
            sys.stdout.flush()
            serve(app, listener)
    return 0


def address(host: str, port: int) -> str:
    """Return the lines that say where the page is."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    others = "" if host in ("127.0.0.1", "::1") else "(others reach this machine by its own name or address)\n"
    return f"open http://{shown}:{port}/ in a browser; Ctrl-C ends\n{others}"
