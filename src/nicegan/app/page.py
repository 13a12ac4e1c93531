"""The page: which action each of its controls starts, and what the action's answer changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import gradio as gr

from nicegan.app.actions import DIRECTIONS, MEANINGS, VIEWS, Actions, Shown, Taken
from nicegan.app.layout import (
    Controls,
    Panel,
    gallery_of,
    key_of,
    pair_of,
    picture_of,
    place_controls,
    place_examples,
    place_panel,
    place_picture,
    status_html,
    upload_of,
    words_html,
)
from nicegan.app.translation import Wish

CSS = """
.nicegan-words { min-height: 3em }
.nicegan-words a { margin: 0; padding: 0 }
#examples, #examples .grid-wrap, #examples .gallery-container { height: auto; min-height: 0; max-height: 12em }
#examples .grid-wrap { padding-top: 2.2em }
#examples .grid-container { grid-template-columns: repeat(6, minmax(0, 1fr)); grid-template-rows: none }
#examples .grid-container { grid-auto-rows: auto }
#examples .gallery-item { height: auto }
#examples .thumbnail-item { height: auto; aspect-ratio: 1 }
.nicegan-status { white-space: pre-line; overflow-wrap: anywhere }
.pending .nicegan-status { padding-top: 3.5em }
"""
MAX_WAITING = 32  # requests
RAW: dict[str, Any] = {"postprocess": False, "api_visibility": "private"}  # images are in the answers, in no file
AT_ONCE: dict[str, Any] = RAW | {"queue": False, "show_progress": "hidden"}
READING: dict[str, Any] = RAW | {  # all that people give, in its order
    "concurrency_id": "reading",
    "concurrency_limit": 1,
    "trigger_mode": "multiple",
    "show_progress": "minimal",
}


def build_page(actions: Actions, thumbnails: Sequence[str], max_side: int) -> gr.Blocks:
    """Return the page.

    Args:
        actions: what it can do.
        thumbnails: data URLs of the examples.
        max_side: the longest side in pixels that anybody may choose.
    """
    with gr.Blocks(title="nicegan", analytics_enabled=False) as page:
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                picture = place_picture("Your image", "picture")
                gallery = place_examples(thumbnails)
                controls = place_controls(picture, actions.models, max_side)
            with gr.Column(scale=2, min_width=300):
                view = gr.Radio(list(VIEWS), value="Translation", label="Show", elem_id="view")
                meaning = gr.HTML(escape(MEANINGS["translation"]), elem_id="meaning")
                with gr.Row():
                    panels = [place_panel(model) for model in actions.models]
        connect_pictures(actions, controls, panels)
        connect_work(actions, controls, panels, max_side)
        connect_view(actions, view, meaning, panels)
        if gallery is not None:
            connect_examples(actions, gallery, controls, panels)
            page.load(lambda: gallery_of(thumbnails), None, gallery, **AT_ONCE)
        connect_end(actions, page)
    return page.queue(max_size=MAX_WAITING, default_concurrency_limit=2, api_open=False)


def connect_pictures(actions: Actions, controls: Controls, panels: Sequence[Panel]) -> None:
    """Take what people give."""

    def take(sent: dict[str, Any] | None, request: gr.Request) -> Any:
        upload = upload_of(sent)
        return taken(actions, actions.take(upload, key_of(request)), request) if upload else gr.skip()

    def take_style(sent: dict[str, Any] | None, request: gr.Request) -> Any:
        upload = upload_of(sent)
        if upload is None:
            return gr.skip()
        answer = actions.take(upload, key_of(request), "example")
        warn(answer)
        return [picture_of(answer.copy), status_html(answer.said)]

    def forget(request: gr.Request) -> list[Any]:
        return said_and_shown(actions, actions.forget(key_of(request)), request)

    def forget_style(request: gr.Request) -> str:
        return status_html(actions.forget(key_of(request), "example").said)

    told = [controls.status, *shown_in(panels)]
    controls.picture.change(take, controls.picture, [controls.picture, *told], preprocess=False, **READING)
    controls.example.change(
        take_style, controls.example, [controls.example, controls.status], preprocess=False, **READING
    )
    # a paste clears its field first: the answer to that must not empty the field again
    controls.picture.clear(forget, None, told, **READING)
    controls.example.clear(forget_style, None, controls.status, **READING)


def connect_examples(actions: Actions, gallery: gr.Gallery, controls: Controls, panels: Sequence[Panel]) -> None:
    """Take the example that somebody chooses."""

    def take(chosen: gr.SelectData, request: gr.Request) -> list[Any]:
        return taken(actions, actions.take_example(int(chosen.index), key_of(request)), request)

    outputs = [controls.picture, controls.status, *shown_in(panels)]
    gallery.select(take, None, outputs, **READING)


def connect_work(actions: Actions, controls: Controls, panels: Sequence[Panel], max_side: int) -> None:
    """Translate, stop, and hide the models that are not chosen."""

    def translate(  # noqa: PLR0913  gradio gives each control's value
        direction: str, names: list[str], longest: float, style: Any, seed: float | None, request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  gradio finds it as a default
    ) -> Iterator[list[Any]]:  # fmt: skip
        example = actions.sessions.of(key_of(request)).example
        side = min(max(int(longest), 1), max_side)
        wish = Wish(DIRECTIONS[direction], side, style, max(0, int(seed or 0)), example)

        def tell(share: float, what: str) -> None:
            progress(share, what)

        for said in actions.translate(wish, names, key_of(request), tell):
            yield [status_html(said), *in_panels(actions.shown(key_of(request)))]

    def begin(request: gr.Request) -> list[Any]:
        said = actions.begin(key_of(request))
        return [status_html(said), *in_panels(actions.shown(key_of(request)))]

    outputs = [controls.status, *shown_in(panels)]
    controls.translate.click(begin, None, outputs, **AT_ONCE).then(
        translate,
        [controls.direction, controls.chosen, controls.longest, controls.style, controls.seed],
        outputs,
        concurrency_limit=1, concurrency_id="translating", trigger_mode="multiple", show_progress_on=controls.status,
        **RAW,
    )  # fmt: skip

    def stop(request: gr.Request) -> str:
        return status_html(actions.stop(key_of(request)))

    controls.stop.click(stop, None, controls.status, **AT_ONCE)
    controls.chosen.change(
        lambda names: [gr.Column(visible=model.name in names) for model in actions.models],
        controls.chosen, [panel.column for panel in panels], **AT_ONCE,
    )  # fmt: skip


def connect_view(actions: Actions, view: gr.Radio, meaning: gr.HTML, panels: Sequence[Panel]) -> None:
    """Show what somebody wants to see."""

    def look(name: str, request: gr.Request) -> list[Any]:
        return [escape(MEANINGS[VIEWS[name]]), *in_panels(actions.look(VIEWS[name], key_of(request)))]

    view.change(look, view, [meaning, *shown_in(panels)], **AT_ONCE)


def connect_end(actions: Actions, page: gr.Blocks) -> None:
    """Forget what a page gave and got when it is closed."""

    def forget(request: gr.Request) -> None:
        actions.sessions.remove(key_of(request))

    page.unload(forget)


def taken(actions: Actions, answer: Taken, request: gr.Request) -> list[Any]:
    """Return what changes when a picture was taken: its copy, the status, and the panels, now empty."""
    warn(answer)
    return [picture_of(answer.copy), *said_and_shown(actions, answer, request)]


def said_and_shown(actions: Actions, answer: Taken, request: gr.Request) -> list[Any]:
    """Return the status and the panels."""
    return [status_html(answer.said), *in_panels(actions.shown(key_of(request)))]


def warn(answer: Taken) -> None:
    """Say what is wrong with a picture where it is seen wherever the page is scrolled to."""
    if answer.is_refused:
        gr.Warning(escape(answer.said))


def shown_in(panels: Sequence[Panel]) -> list[Any]:
    """Return what of the panels results change."""
    return [part for panel in panels for part in (panel.slider, panel.words)]


def in_panels(shown: Sequence[Shown]) -> list[Any]:
    """Return the values of `shown_in`."""
    return [part for one in shown for part in (pair_of(one.pair), words_html(one.words, one.address, one.link))]
