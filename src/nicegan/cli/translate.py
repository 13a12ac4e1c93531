"""nicegan translate: images in, images out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from pydantic import Field, PositiveInt

from nicegan.cli.parse import parse
from nicegan.config import MAX_SIDE, Frozen, Precision
from nicegan.errors import ConfigError, NiceganError

if TYPE_CHECKING:
    from nicegan.inference.styles import Styles
    from nicegan.inference.translator import Translator

SMALLEST = 16  # side in pixels
RANDOM = "random"


class TranslateArguments(Frozen):
    """Translate images with a trained model. Each output has its input's size and name.

    nicegan translate runs/mine photos/ --to B --out translated

    nicegan translate runs/mine photos/ --to B --out many --style random --num-outputs 5
    """

    model: Annotated[Path, tyro.conf.Positional]
    """A run folder, a model.safetensors, or a checkpoint: RUN@8000, RUN@best, RUN@latest, or its folder."""
    inputs: Annotated[tuple[Path, ...], tyro.conf.Positional, Field(min_length=1)]
    """Images, and folders of images at any depth."""
    to: Literal["A", "B"]
    """The domain to translate into."""
    out: Path
    """Folder for the translated images; for a single image also the name of its file."""
    format: Literal["png", "jpg", "webp", "bmp", "tiff"] | None = None
    """File format of the outputs; if not given, JPEG and WebP stay what they are, and all others become PNG."""
    quality: Annotated[int, Field(ge=1, le=100)] = 95
    """Quality of JPEG and WebP outputs; their colours have full resolution."""
    keep_profile: bool = False
    """Write in the colour space of each input, not in sRGB."""
    style: Annotated[str | None, tyro.conf.arg(metavar="random|IMAGE")] = None
    """For a model with styles: random ones, or that of an example image of the domain --to; else the mean style."""
    num_outputs: PositiveInt = 1
    """Outputs of each image, with --style random: cat-1.png, cat-2.png ..."""
    style_seed: Annotated[int | None, Field(ge=0, lt=2**63)] = None
    """Seed of random styles, which also depend on the bytes of each image; 0 if not given."""
    resize: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SIDE|HEIGHT WIDTH")] = ()
    """Translate at this size in pixels: one side, square, as the paper does, or height and width (48 64, or 48x64);
    else at each image's own size."""
    max_side: Annotated[int, Field(ge=16)] | None = None
    """Shrink larger images to this longer side in pixels, in proportion, before they are translated."""
    tile: Annotated[int, Field(ge=64)] | None = None
    """Translate images with a longer side in tiles of so many pixels: the result is the same, and takes less memory;
    if not given, only images that do not fit in memory as a whole are tiled."""
    skip_existing: bool = False
    """Leave out images whose outputs are there: go on after an interruption."""
    batch_size: PositiveInt = 8
    """Images of one size to translate together."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 ..."""
    precision: Precision = "auto"
    """Arithmetic; auto means bfloat16 on an NVIDIA GPU and float32 elsewhere."""


def run(arguments: list[str]) -> int:
    """Translate; returns the exit code."""
    given = parse(TranslateArguments, arguments, "translate")
    check(given)

    from rich.console import Console

    from nicegan.cli.progress import bar
    from nicegan.console import say
    from nicegan.device import keep_freed_memory
    from nicegan.distributed import joined
    from nicegan.inference.files import Scaling, translate_files
    from nicegan.inference.translator import load
    from nicegan.inference.writing import Writing

    keep_freed_memory()
    passed_over: Counter[str] = Counter()
    with joined() as processes, bar(Console(stderr=True, quiet=not processes.is_first), "translating") as progress:
        translator = processes.on_each(lambda: load(given.model, given.device, given.precision, given.tile))
        written = translate_files(
            translator,
            given.inputs,
            given.out,
            to=given.to,
            scaling=Scaling(size_of(given.resize), given.max_side),
            writing=Writing(given.format, given.quality, given.keep_profile),
            styles=processes.on_each(lambda: styles_of(given, translator)),
            skip_existing=given.skip_existing,
            passed_over=passed_over,
            batch_size=given.batch_size,
            progress=progress,
            processes=processes,
        )
        if processes.is_first:
            say(Console(stderr=True), described(written, given.out, passed_over))
    return 0


def check(given: TranslateArguments) -> None:
    """Whether what is said of styles fits together.

    Raises:
        ConfigError: several outputs or a seed without random styles.
    """
    if given.style == RANDOM:
        return
    for flag, is_given in (("--num-outputs", given.num_outputs > 1), ("--style-seed", given.style_seed is not None)):
        if is_given:
            raise ConfigError(f"{flag} is for random styles: add --style {RANDOM} (for a model with styles)")


def styles_of(given: TranslateArguments, translator: Translator) -> Styles | None:
    """Return the styles of the outputs; None if none is asked for.

    Raises:
        ConfigError: the model has no styles. DataError: an example that cannot be read.
    """
    from nicegan.inference.styles import random_styles, style_of_example

    try:
        if given.style == RANDOM:
            return random_styles(translator, given.num_outputs, given.style_seed or 0)
        return style_of_example(translator, Path(given.style), given.to) if given.style else None
    except NiceganError as problem:
        raise type(problem)(f"--style {given.style}: {problem}") from None


def size_of(words: tuple[str, ...]) -> tuple[int, int] | None:
    """Return height and width that "256", "48 64" or "48x64" name; None of nothing.

    Raises:
        ConfigError: other words, or sides below 16 pixels.
    """
    if not words:
        return None
    sides = [part for word in words for part in word.lower().split("x")]
    if len(sides) > 2 or not all(side.isdigit() and SMALLEST <= int(side) <= MAX_SIDE for side in sides):
        raise ConfigError(
            f"--resize {' '.join(words)}: give a side in pixels (256), or height and width (48 64), from {SMALLEST} "
            f"to {MAX_SIDE}"
        )
    return int(sides[0]), int(sides[-1])


def described(written: list[Path], out: Path, passed_over: Counter[str]) -> str:
    """Return what was written, in a line: "12 images in out (10 png, 2 jpg); 3 files passed over: 3 .txt"."""
    from nicegan.data.folders import described as left_out

    counts = Counter(path.suffix.lstrip(".") for path in written)
    formats = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common())
    noun = "image" if len(written) == 1 else "images"
    return (
        f"{len(written)} {noun} in {out}"
        + (f" ({formats})" if formats else ", nothing was left to do")
        + (f"; {rest}" if (rest := left_out(passed_over)) else "")
    )
