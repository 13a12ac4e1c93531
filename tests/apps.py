"""The app served on the loopback in a thread of the test."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from nicegan.app.actions import Actions
from nicegan.app.models import ShownModel
from nicegan.app.sessions import Sessions


class ServedApp(NamedTuple):
    """A page that is served: its address, its actions, and the folder that gradio writes to."""

    url: str
    actions: Actions
    folder: Path

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]


@contextmanager
def served_app(
    models: list[ShownModel], examples: Path | None = None, max_side: int = 256, token: str | None = None
) -> Iterator[ServedApp]:
    from nicegan.app.access import with_token
    from nicegan.app.examples import find_examples
    from nicegan.app.guard import App
    from nicegan.app.server import Server, build_app, own_folder, server_config
    from nicegan.listening import open_port

    found = find_examples(examples) if examples else []
    actions = Actions(models, Sessions(), [example.path for example in found])
    with own_folder() as folder, open_port("127.0.0.1", 0) as listener:

        async def built() -> App:  # gradio leaves loops open that it makes where none runs
            return build_app(actions, [example.thumbnail for example in found], max_side, folder, "127.0.0.1")

        with ThreadPoolExecutor(1) as pool:  # a loop of playwright's may run in this thread
            app = pool.submit(asyncio.run, built()).result()
        server = Server(server_config(with_token(app, token) if token else app))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield ServedApp(f"http://127.0.0.1:{listener.getsockname()[1]}", actions, folder)
        finally:
            server.should_exit = True
            thread.join()
