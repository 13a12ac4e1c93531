"""The app served on the loopback in a thread of the test, with tiny untrained models."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import torch
import uvicorn

from nicegan.app.actions import Actions
from nicegan.app.models import ShownModel, load_models
from nicegan.app.sessions import Sessions
from nicegan.config import MethodConfig
from nicegan.methods.cyclegan.config import CycleGAN
from nicegan.methods.munit.config import MUNIT
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.model_file import ModelSpec, save_model
from tests.conftest import TINY

METHODS: dict[str, MethodConfig] = {"styled": MUNIT.tiny(), "looking": NiceGAN(network=TINY), "plain": CycleGAN.tiny()}


def make_models(folder: Path, *names: str) -> list[ShownModel]:
    """Tiny models: "styled" has styles, "looking" heatmaps, "plain" neither."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.safetensors" for name in names]
    for name, path in zip(names, paths, strict=True):
        spec = ModelSpec(method=METHODS[name], image_size=(64, 64))  # pyright: ignore[reportArgumentType]
        save_model(path, spec, METHODS[name].build_translation_model((64, 64)))
    return load_models(paths, "cpu", "float32")


class ServedApp(NamedTuple):
    """A page that is served: its address, its actions, and the folder that gradio writes to."""

    url: str
    actions: Actions
    folder: Path

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]


@contextmanager
def served_app(models: list[ShownModel], examples: Path | None = None, max_side: int = 256) -> Iterator[ServedApp]:
    from nicegan.app.examples import find_examples
    from nicegan.app.server import build_app, open_port, own_folder, server_config

    found = find_examples(examples) if examples else []
    actions = Actions(models, Sessions(), [example.path for example in found])
    with own_folder() as folder, open_port("127.0.0.1", 0) as listener:
        app = build_app(actions, [example.thumbnail for example in found], max_side, folder, "127.0.0.1")
        server = uvicorn.Server(server_config(app))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield ServedApp(f"http://127.0.0.1:{listener.getsockname()[1]}", actions, folder)
        finally:
            server.should_exit = True
            thread.join()
