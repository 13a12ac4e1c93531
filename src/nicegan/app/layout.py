"""The parts of the page. What the browser shows of people's images is in the answers themselves, and in no file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.components.gallery import GalleryImage
from gradio.components.image_editor import WebcamOptions
from gradio.data_classes import ImageData
from PIL import Image

from nicegan.app.actions import DIRECTIONS, STYLES, WAITING, Upload
from nicegan.app.models import ShownModel
from nicegan.app.pictures import data_url

SMALLEST_SIDE, USUAL_SIDE = 64, 1024  # pixels


class Controls(NamedTuple):
    """What people set, and where they are answered."""

    picture: gr.Image
    direction: gr.Radio
    chosen: gr.CheckboxGroup
    longest: gr.Slider
    style: gr.Radio
    seed: gr.Number
    example: gr.Image
    translate: gr.Button
    stop: gr.Button
    status: gr.HTML


class Panel(NamedTuple):
    """What is shown of one model."""

    column: gr.Column
    slider: gr.ImageSlider
    words: gr.HTML


def place_controls(picture: gr.Image, models: Sequence[ShownModel], max_side: int) -> Controls:
    """Place what people set besides the picture; what no model needs is hidden."""
    names = [model.name for model in models]
    has_styles = any(model.has_styles for model in models)
    direction = gr.Radio(list(DIRECTIONS), value=next(iter(DIRECTIONS)), label="Direction", elem_id="direction")
    chosen = gr.CheckboxGroup(names, value=names, label="Models", elem_id="models", visible=len(models) > 1)
    with gr.Group(visible=has_styles):
        style = gr.Radio([(words, choice) for words, choice in STYLES.items()], value="mean", label="Style")
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=2**31, visible=False, elem_id="seed")
        with gr.Column(visible=False) as beside:
            example = place_picture("Example of the style, of the domain you translate to", "example", 160)
    style.change(
        lambda choice: (gr.Number(visible=choice == "random"), gr.Column(visible=choice == "example")),
        style, [seed, beside], queue=False, api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    with gr.Row():
        translate = gr.Button("Translate", variant="primary", elem_id="translate")
        stop = gr.Button("Stop", elem_id="stop")
    status = gr.HTML(status_html(WAITING), elem_id="status")
    longest = gr.Slider(
        SMALLEST_SIDE, max_side, value=min(max_side, USUAL_SIDE), step=1, precision=0, label="Longest side in pixels",
        info="Larger images are shrunk to this. What does not fit in memory as a whole is translated in tiles, "
        "with the same result.", elem_id="longest",
    )  # fmt: skip
    return Controls(picture, direction, chosen, longest, style, seed, example, translate, stop, status)


def place_picture(label: str, name: str, height: int = 230) -> gr.Image:
    """Place a field that takes an image. Its events send what `upload_of` reads, and get what `picture_of` returns."""
    return gr.Image(
        label=label, sources=["upload", "clipboard", "webcam"], height=height, buttons=[],
        elem_id=name, webcam_options=WebcamOptions(mirror=False),
    )  # fmt: skip


def upload_of(sent: dict[str, Any] | None) -> Upload | None:
    """Return the uploaded file that a field names; None for an empty field, and for the page's own copy, a data URL.

    `guarded` has refused every path but those of uploads.
    """
    if sent is None or not sent.get("path"):
        return None
    return Upload(Path(sent["path"]), Path(sent.get("orig_name") or sent["path"]).name)


def picture_of(address: str | None) -> dict[str, Any] | None:
    """Return a data URL as what a picture field of the browser gets; gradio's own way would write a file."""
    return None if address is None else ImageData(url=address, orig_name="image.png").model_dump()


def pair_of(pair: tuple[Image.Image, Image.Image] | None) -> list[Any] | None:
    """Return the two images of a slider as what the browser gets."""
    return None if pair is None else [picture_of(data_url(image)) for image in pair]


def place_panel(model: ShownModel) -> Panel:
    """Place what is shown of one model."""
    with gr.Column(min_width=280) as column:
        gr.HTML(f"<h3>{escape(model.name)}</h3>{escape(model.facts)}")
        slider = gr.ImageSlider(
            label=model.name, show_label=False, interactive=False, max_height=640, buttons=["fullscreen"],
            elem_classes="nicegan-slider",
        )  # fmt: skip
        words = gr.HTML(elem_classes="nicegan-words")
    return Panel(column, slider, words)


def place_examples(thumbnails: Sequence[str]) -> gr.Gallery | None:
    """Place the examples; returns their gallery, None if there are none."""
    if not thumbnails:
        return None
    return gr.Gallery(
        label="Examples", columns=6, height="auto", allow_preview=False, interactive=False, buttons=[],
        elem_id="examples", object_fit="cover",
    )  # fmt: skip


def gallery_of(addresses: Sequence[str]) -> list[Any]:
    """Return data URLs as what the gallery of the browser gets."""
    return [GalleryImage(image=ImageData(url=address)).model_dump() for address in addresses]


def status_html(text: str) -> str:
    """Return the status as a screen reader announces it."""
    return f'<div role="status" class="nicegan-status">{escape(text)}</div>'


def words_html(words: str, address: str, link: str) -> str:
    """Return the words below a slider, and the link to the file if there is one."""
    anchor = f'<br><a href="{escape(address)}" download>{escape(link)}</a>' if address else ""
    return f"{escape(words)}{anchor}"


def key_of(request: Any) -> str:
    """Return the key of the open page that a request comes from."""
    return str(request.session_hash)
