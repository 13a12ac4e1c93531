"""nicegan translate: images in, images out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro
from pydantic import Field, PositiveInt

from nicegan.cli.parse import parse
from nicegan.config import Frozen, Precision


class TranslateArguments(Frozen):
    """Translate images with a trained model. Each output has its input's size and name.

    nicegan translate runs/mine photos/ --to B --out translated
    """

    model: Annotated[Path, tyro.conf.Positional]
    """A run folder, a model.safetensors, or a checkpoint: RUN@8000, RUN@best, RUN@latest, or its folder."""
    inputs: Annotated[tuple[Path, ...], tyro.conf.Positional, Field(min_length=1)]
    """Images, and folders of images at any depth."""
    to: Literal["A", "B"]
    """The domain to draw."""
    out: Path
    """Folder for the translated images."""
    format: Literal["png", "jpg", "webp", "bmp", "tiff"] = "png"
    """File format of the outputs."""
    resize: Annotated[int, Field(ge=16)] | None = None
    """Translate at this side in pixels, square, as the paper does; else at each image's own size."""
    batch_size: PositiveInt = 8
    """Images of one size to translate together."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 ..."""
    precision: Precision = "auto"
    """Arithmetic; auto means bfloat16 on an NVIDIA GPU and float32 elsewhere."""


def run(arguments: list[str]) -> int:
    """Translate; returns the exit code."""
    given = parse(TranslateArguments, arguments, "translate")

    from rich.console import Console

    from nicegan.cli.progress import bar
    from nicegan.console import say
    from nicegan.device import keep_freed_memory
    from nicegan.distributed import joined
    from nicegan.inference.files import translate_files
    from nicegan.inference.translator import load

    keep_freed_memory()
    with joined() as processes, bar(Console(stderr=True, quiet=not processes.is_first), "translating") as progress:
        translator = processes.on_each(lambda: load(given.model, given.device, given.precision))
        written = translate_files(
            translator,
            given.inputs,
            given.out,
            to=given.to,
            resize=given.resize,
            image_format=given.format,
            batch_size=given.batch_size,
            progress=progress,
            processes=processes,
        )
        if processes.is_first:
            say(Console(stderr=True), f"{len(written)} images in {given.out}")
    return 0
