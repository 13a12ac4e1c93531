"""What the page's actions answer, and what is held of them: in memory, within limits, and for one page alone."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import write_images
from tests.tiny_models import make_models

from nicegan.app.actions import STOPPED, WAITING, Actions, Upload
from nicegan.app.examples import find_examples
from nicegan.app.sessions import MAX_SESSIONS, Sessions
from nicegan.app.translation import Wish
from nicegan.errors import DataError


@pytest.fixture
def actions(tmp_path: Path) -> Actions:
    return Actions(make_models(tmp_path, "looking", "plain"), Sessions())


def upload(folder: Path, name: str = "cat.png", content: bytes | None = None) -> Upload:
    """A file as gradio leaves it: in a folder of its own, under a name that it has cleaned."""
    (path,) = write_images(folder / "uploads", 1, (48, 40), seed=len(name))
    if content is not None:
        path.write_bytes(content)
    return Upload(path, name)


def translate(actions: Actions, key: str = "me", names: tuple[str, ...] = ("looking", "plain")) -> list[str]:
    actions.begin(key)
    return list(actions.translate(Wish("B", 512), names, key, lambda share, what: None))


def test_an_upload_is_removed_whatever_is_in_it(actions: Actions, tmp_path: Path) -> None:
    good = upload(tmp_path)
    answer = actions.take(good, "me")
    assert answer.copy is not None
    assert (answer.said, answer.is_refused, good.path.exists()) == ("cat.png, 48×40 pixels.", False, False)
    bad = upload(tmp_path, "<b>.png", b"words")
    answer = actions.take(bad, "me")
    assert answer == (None, "⚠ <b>.png: not an image that can be read", True)
    assert not bad.path.exists()
    assert translate(actions) == [WAITING], "the picture before it is not taken for it"
    gone = actions.take(bad, "me")
    assert gone == (None, "⚠ <b>.png: No such file or directory", True)


def test_a_picture_is_forgotten_with_its_results(actions: Actions, tmp_path: Path) -> None:
    actions.take(upload(tmp_path), "me")
    translate(actions)
    actions.take(upload(tmp_path, "style.png"), "me", "example")
    assert actions.forget("me", "example") == (None, WAITING, False)
    assert all(one.pair for one in actions.shown("me"))
    assert actions.forget("me") == (None, WAITING, False)
    assert [one.pair for one in actions.shown("me")] == [None, None]


def test_results_come_one_by_one_and_each_is_a_file_of_the_original_size(actions: Actions, tmp_path: Path) -> None:
    actions.take(upload(tmp_path), "me")
    told: list[float] = []
    answers = actions.translate(Wish("B", 24), ("looking",), "me", lambda share, what: told.append(share))
    assert next(answers) == "looking: source is there."
    assert next(answers) == "looking: translation is there."
    looking, plain = actions.shown("me")
    assert looking.words == "translated at 24×20 pixels"
    assert (plain.pair, plain.words) == (None, "")
    assert [one.words for one in actions.look("cycle", "me")] == ["Not there yet.", ""]
    assert list(answers)[-1].startswith("Done in ")
    assert told == sorted(told) and 0 < told[0] < told[-1] <= 1
    (shown, _) = actions.look("difference", "me")
    assert "mean difference" in shown.words
    _, token, number, name = shown.address.split("/")
    file = actions.download(token, int(number), name.removesuffix(".png"))
    assert file is not None
    assert file.name == "cat_looking_difference.png"
    assert Image.open(io.BytesIO(file.content)).size == (48, 40)
    for wrong in ((token, 1, "difference"), (token, 0, "latent"), (token[:-1], 0, "difference"), ("ü", 0, "cycle")):
        assert actions.download(*wrong) is None


def test_a_large_picture_is_translated_in_tiles_with_its_progress(actions: Actions, tmp_path: Path) -> None:
    (path,) = write_images(tmp_path / "large", 1, (150, 100))
    content = path.read_bytes()
    found = []
    for tile in (None, 64):
        actions.models[0].translator.tile = tile
        actions.take(upload(tmp_path, content=content), "me")
        told: list[float] = []
        list(actions.translate(Wish("B", 512), ("looking",), "me", lambda share, what, told=told: told.append(share)))
        assert told == sorted(told) and told[0] < 0.1 and 0.8 < told[-1] <= 1
        found.append((len(told), actions.shown("me")[0]))
    (layers, whole), (layers_of_tiles, tiled) = found
    assert whole.words == "translated at 150×100 pixels"
    assert tiled.words == "translated at 150×100 pixels, in tiles of 64"
    assert layers_of_tiles == 6 * layers
    assert whole.pair and tiled.pair
    assert np.abs(np.asarray(whole.pair[1]).astype(int) - np.asarray(tiled.pair[1])).max() <= 1


def test_work_in_tiles_is_stopped_too(actions: Actions, tmp_path: Path) -> None:
    actions.models[0].translator.tile = 64
    (path,) = write_images(tmp_path / "large", 1, (150, 100))
    actions.take(upload(tmp_path, content=path.read_bytes()), "me")

    def stop(share: float, what: str) -> None:
        if share > 0.2:
            actions.stop("me")

    answers = list(actions.translate(Wish("B", 512), ("looking",), "me", stop))
    assert answers == ["looking: source is there.", STOPPED]


def test_a_new_picture_takes_the_results_of_the_old_one_away(actions: Actions, tmp_path: Path) -> None:
    actions.take(upload(tmp_path), "me")
    translate(actions)
    address = actions.shown("me")[0].address
    actions.take(upload(tmp_path, "dog.png"), "me")
    assert [one.pair for one in actions.shown("me")] == [None, None]
    assert actions.download(address.split("/")[1], 0, "translation") is None


def test_pages_do_not_see_each_other(actions: Actions, tmp_path: Path) -> None:
    actions.take(upload(tmp_path), "me")
    translate(actions)
    assert translate(actions, "you") == [WAITING]
    assert actions.shown("you")[0].pair is None


def test_work_that_is_stopped_says_so_and_nothing_else_is_stopped(actions: Actions, tmp_path: Path) -> None:
    actions.take(upload(tmp_path), "me")
    answers = actions.translate(Wish("B", 512), ("looking",), "me", lambda share, what: None)
    next(answers)
    actions.stop("you")
    assert next(answers) == "looking: translation is there."
    assert actions.stop("me") == STOPPED
    assert list(answers) == [STOPPED]
    actions.begin("me")
    actions.stop("me")
    waited = list(actions.translate(Wish("B", 512), ("looking",), "me", lambda share, what: None))
    assert waited[-1] == STOPPED, "stopped while it waited for others"
    assert translate(actions)[-1].startswith("Done in")


def test_no_model_and_a_model_that_fails_are_said(
    actions: Actions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions.take(upload(tmp_path), "me")
    assert translate(actions, names=()) == ["⚠ Choose a model."]

    def fail(*given: object) -> None:
        raise DataError("no such thing")

    monkeypatch.setattr(actions.models[0].translator, "translate", fail)
    said = translate(actions)[-1]
    assert said.startswith("⚠ looking: no such thing\nDone in")
    assert actions.shown("me")[1].pair is not None


def test_what_is_held_has_limits(tmp_path: Path) -> None:
    sessions = Sessions(max_held=3 * 48 * 40)
    actions = Actions(make_models(tmp_path, "plain"), sessions)
    for key in ("one", "two"):
        actions.take(upload(tmp_path), key)
        translate(actions, key, ("plain",))
    assert len(sessions) == 1
    assert sessions.of("two").results
    stopped = sessions.of("two").stop
    for number in range(MAX_SESSIONS + 5):
        actions.stop(f"page {number}")
    assert len(sessions) == MAX_SESSIONS
    assert stopped.is_set()
    sessions.close()
    assert len(sessions) == sessions.num_bytes == 0


def test_examples_are_those_that_can_be_read(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "examples" / "deep", 30)
    paths[0].write_bytes(b"words")
    found = find_examples(tmp_path / "examples")
    assert len(found) == 11
    assert all(one.thumbnail.startswith("data:image/png;base64,") for one in found)
    actions = Actions([], Sessions(), [one.path for one in found])
    assert actions.take_example(3, "me").said.startswith(found[3].path.name)
    found[4].path.unlink()
    assert actions.take_example(4, "me").said == f"⚠ {found[4].path.name}: No such file or directory"


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[dict[str, Path]]:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"words")
    yield {name: tmp_path / name for name in ("empty", "broken", "absent")}


@pytest.mark.parametrize(
    ("name", "words"), [("empty", "holds no images"), ("broken", "none of its images"), ("absent", "is not a folder")]
)
def test_a_folder_without_examples_is_said(folders: dict[str, Path], name: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        find_examples(folders[name])


def test_a_picture_with_an_orientation_is_upright(actions: Actions, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((40, 48, 3), np.uint8)).save(tmp_path / "turned.jpg", exif=exif)
    answer = actions.take(Upload(tmp_path / "turned.jpg", "turned.jpg"), "me")
    assert answer.said == "turned.jpg, 40×48 pixels."
    translate(actions, names=("plain",))
    pair = actions.shown("me")[1].pair
    assert pair is not None
    assert pair[0].size == pair[1].size == (40, 48)
