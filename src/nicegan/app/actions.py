"""What happens when somebody uses the page: each action is a method, and what it returns is what the page shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image

from nicegan.app.models import ShownModel
from nicegan.app.pictures import Picture, png_of_size, read_picture, thumbnail
from nicegan.app.sessions import Session, Sessions
from nicegan.app.translation import StyleChoice, View, Wish, differences, tiling_of, translate_views
from nicegan.app.watch import StoppedError, Watch
from nicegan.errors import DataError, NiceganError
from nicegan.shapes import DomainName

VIEWS: dict[str, View] = {
    "Translation": "translation",
    "Heatmap": "heatmap",
    "Cycle": "cycle",
    "Difference": "difference",
}
MEANINGS: dict[View, str] = {
    "translation": "left: your image; right: its translation",
    "heatmap": "right: where the encoder looks, brightest where most",
    "cycle": "right: the translation, translated back",
    "difference": "right: where the cycle disagrees with your image; brightest from 64 levels of 255 on",
}
DIRECTIONS: dict[str, DomainName] = {"A to B": "B", "B to A": "A"}
STYLES: dict[str, StyleChoice] = {"mean": "mean", "random, by the seed": "random", "of an example": "example"}
Slot = Literal["picture", "example"]
WAITING = "Give an image: drop it, paste it, or use the camera."
STOPPED = "Stopped."
BEGUN = "Waiting."


class Upload(NamedTuple):
    """A file that gradio has taken: where it is now, and its name."""

    path: Path
    name: str


class Taken(NamedTuple):
    """What the page shows of a picture that was taken: a small copy as a data URL, and what to say."""

    copy: str | None
    said: str
    is_refused: bool = False


class Download(NamedTuple):
    """A file's name and its content."""

    name: str
    content: bytes


class Shown(NamedTuple):
    """What the page shows of one model: the two images of its slider, words, and the address of the right image."""

    pair: tuple[Image.Image, Image.Image] | None = None
    words: str = ""
    address: str = ""
    link: str = ""


class Actions:
    """The actions of the page.

    Args:
        models: the models, in their order on the page.
        sessions: what each open page holds.
        examples: images to choose from.
    """

    def __init__(self, models: Sequence[ShownModel], sessions: Sessions, examples: Sequence[Path] = ()) -> None:
        self.models, self.sessions, self.examples = models, sessions, examples

    def take(self, upload: Upload, key: str, slot: Slot = "picture") -> Taken:
        """Take a picture, or with the slot "example" the one whose style is wanted; its file is removed in any case."""
        try:
            picture = read_picture(upload.name, upload.path.read_bytes())
        except (DataError, OSError) as problem:
            return self._refuse(problem, upload.name, key, slot)
        finally:
            upload.path.unlink(missing_ok=True)
        return self._keep(picture, key, slot)

    def forget(self, key: str, slot: Slot = "picture") -> Taken:
        """Forget a picture and its results, or with the slot "example" the example of the style."""
        return self._keep(None, key, slot, WAITING)

    def take_example(self, index: int, key: str) -> Taken:
        """Take the picture with this number among the examples."""
        path = self.examples[index]
        try:
            return self._keep(read_picture(path.name, path.read_bytes()), key, "picture")
        except (DataError, OSError) as problem:
            return self._refuse(problem, path.name, key, "picture")

    def _refuse(self, problem: DataError | OSError, name: str, key: str, slot: Slot) -> Taken:
        """Say what is wrong with a file; the picture before it is forgotten."""
        reason = f"{name}: {problem.strerror}" if isinstance(problem, OSError) else str(problem)
        return self._keep(None, key, slot, f"⚠ {reason}")._replace(is_refused=True)

    def _keep(self, picture: Picture | None, key: str, slot: Slot, said: str = "") -> Taken:
        """Put a picture into a session; a new one stops the work on the old one, and its results go."""
        session = self.sessions.of(key)
        if slot == "picture":
            session.begin()
        setattr(session, slot, picture)
        self.sessions.make_room()
        if picture is None:
            return Taken(None, said)
        height, width = picture.size
        return Taken(thumbnail(picture), f"{picture.name}, {width}×{height} pixels.")

    def begin(self, key: str) -> str:
        """Make ready for `translate`, which may have to wait: from now on, `stop` stops it; returns the status."""
        self.sessions.of(key).begin()
        return BEGUN

    def translate(
        self, wish: Wish, names: Sequence[str], key: str, tell: Callable[[float, str], None]
    ) -> Iterator[str]:
        """Translate with the models of these names, after `begin`; return the status after each view that is there.

        Args:
            wish: what is wanted of each model.
            names: of the models.
            key: of the session, which takes the results.
            tell: is told the share of the work that is done, and which model works.
        """
        session = self.sessions.of(key)
        chosen = {number: model for number, model in enumerate(self.models) if model.name in names}
        if session.picture is None or not chosen:
            yield WAITING if session.picture is None else "⚠ Choose a model."
            return
        stop, results, begun = session.stop, session.results, time.monotonic()
        session.tilings = {at: tiling_of(one.translator, session.picture, wish) for at, one in chosen.items()}
        work = {at: one.work * session.tilings[at].num_tiles for at, one in chosen.items()}
        total, done, problems = sum(work.values()), 0, list[str]()
        for number, model in chosen.items():
            watch = Watch(stop, lambda layers, done=done, name=model.name: tell(min(1, (done + layers) / total), name))
            views = results.setdefault(number, {})
            try:
                for view, pixels in translate_views(model.translator, session.picture, wish, watch):
                    views[view] = pixels
                    yield f"{model.name}: {view} is there."
            except StoppedError:
                yield STOPPED
                return
            except NiceganError as problem:
                problems.append(f"⚠ {model.name}: {problem}")
            done += work[number]
        self.sessions.make_room()
        yield "\n".join([*problems, f"Done in {time.monotonic() - begun:.1f} s."])

    def stop(self, key: str) -> str:
        """Stop the work of a session; returns the status."""
        self.sessions.of(key).stop.set()
        return STOPPED

    def look(self, view: View, key: str) -> list[Shown]:
        """Show this view from now on; returns what the page shows of each model."""
        self.sessions.of(key).view = view
        return self.shown(key)

    def shown(self, key: str) -> list[Shown]:
        """Return what the page shows of each model."""
        session = self.sessions.of(key)
        return [self._shown_of(session, number) for number in range(len(self.models))]

    def _shown_of(self, session: Session, number: int) -> Shown:
        view, views = session.view, session.results.get(number, {})
        if "translation" not in views or session.picture is None:
            return Shown()
        if view not in views:
            lacks = view == "heatmap" and not self.models[number].has_heatmap
            return Shown(words="This model has no heatmap." if lacks else "Not there yet.")
        source, (height, width) = views["source"], session.picture.size
        side = session.tilings[number].side
        words = f"translated at {source.shape[1]}×{source.shape[0]} pixels" + (f", in tiles of {side}" if side else "")
        if view == "difference":
            words += f"; mean difference {differences(views['cycle'], source).mean():.1f} of 255"
        address = f"result/{session.token}/{number}/{view}.png"
        link = f"Download PNG, {width}×{height} pixels"
        return Shown((Image.fromarray(source), Image.fromarray(views[view])), words, address, link)

    def download(self, token: str, number: int, view: str) -> Download | None:
        """Return a result as a PNG file in the size of its picture; None if there is none."""
        session = self.sessions.with_token(token)
        if session is None or session.picture is None or view not in session.results.get(number, {}):
            return None
        stem = Path(session.picture.name).stem or "image"
        content = png_of_size(session.results[number][view], session.picture.size)
        return Download(f"{stem}_{self.models[number].name.replace('/', '_')}_{view}.png", content)
