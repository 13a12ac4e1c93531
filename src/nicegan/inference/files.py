"""Translating files and whole folders: read ahead, in batches of one size, written under the inputs' names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from nicegan.config import Levels, levels_of
from nicegan.data.augment import to_network, to_pixels
from nicegan.data.cache import Pixels, Progress, scaled
from nicegan.data.folders import (
    listing,
    portions,
    read_image,
    stored_size,
    without_image_warnings,
    workers,
)
from nicegan.distributed import ALONE, ProcessGroup
from nicegan.errors import DataError, is_out_of_memory
from nicegan.inference.memory import TILE, refuse_unfit
from nicegan.inference.plan import numbered, plan_outputs
from nicegan.inference.styles import Styles, translate_in_styles
from nicegan.inference.translator import Translator
from nicegan.inference.writing import AS_PNG, Writing
from nicegan.shapes import DomainName

ImageArray = TypeVar("ImageArray", bound=NDArray[Any])
MAX_BATCH_PIXELS = 8 * 512 * 512


class Scaling(NamedTuple):
    """The size that images are translated at: `size` (height, width); or no side longer than `longest`, in proportion;
    or, where both are None, each image's own."""

    size: tuple[int, int] | None = None
    longest: int | None = None

    def of(self, stored: tuple[int, int]) -> tuple[int, int]:
        """Return the height and width at which an image of this height and width is translated."""
        if self.size or not self.longest or max(stored) <= self.longest:
            return self.size or stored
        height, width = (max(1, round(side * self.longest / max(stored))) for side in stored)
        return height, width

    def scale(self, image: Image.Image) -> Pixels:
        """Return the image's pixels at that size."""
        stored = image.height, image.width
        size = self.of(stored)
        return np.asarray(image) if size == stored else scaled(image, size)


OWN_SIZE = Scaling()


def translate_files(  # noqa: PLR0913
    translator: Translator,
    inputs: Sequence[Path],
    out: Path,
    *,
    to: DomainName,
    scaling: Scaling = OWN_SIZE,
    writing: Writing = AS_PNG,
    styles: Styles | None = None,
    skip_existing: bool = False,
    passed_over: Counter[str] | None = None,
    batch_size: int = 8,
    progress: Progress = lambda done, count: None,
    processes: ProcessGroup = ALONE,
) -> list[Path]:
    """Translate files and folders into `out`, outputs named like their inputs; return the files written.

    Args:
        scaling: the size to translate at.
        writing: how to write the outputs.
        styles: the styles of the outputs of each image, for a model with styles; several outputs are numbered.
        skip_existing: leave out images whose outputs are all there.
        passed_over: counts the files in folders that are no images, as `nicegan.data.folders.find_images` does.
        progress: told how many of how many images are done.
        processes: which translate a part of the images each.

    Raises:
        DataError: inputs that are missing, cannot be read (all are listed; the others are translated), or whose
            outputs would overwrite an input.
    """
    num_outputs = styles.num_outputs if styles else 1
    plan = processes.on_first(lambda: plan_outputs(inputs, out, writing, passed_over, num_outputs))
    if skip_existing:
        plan = processes.on_first(lambda: _without_existing(plan, num_outputs))
    processes.on_each(lambda: _refuse_unfit(translator, processes.shard(list(plan)), scaling))
    translate_planned(
        translator, plan, to=to, scaling=scaling, writing=writing, styles=styles, batch_size=batch_size,
        progress=progress, processes=processes,
    )  # fmt: skip
    return [one for target in plan.values() for one in numbered(target, num_outputs)]


def translate_planned(  # noqa: PLR0913
    translator: Translator,
    plan: dict[Path, Path],
    *,
    to: DomainName,
    scaling: Scaling = OWN_SIZE,
    writing: Writing = AS_PNG,
    styles: Styles | None = None,
    batch_size: int = 8,
    progress: Progress = lambda done, count: None,
    processes: ProcessGroup = ALONE,
) -> None:
    """As `translate_files`, of single files, each into the file that the plan gives it.

    Raises:
        DataError: inputs that cannot be read; all are listed, and the others are translated.
    """
    mine = {source: plan[source] for source in processes.shard(list(plan))}
    broken: dict[Path, DataError] = {}
    done = 0
    read = partial(_read, scaling=scaling, levels=levels_of(translator.spec.value_range))
    with without_image_warnings(), workers() as pool:
        for images in _read_ahead(pool, list(mine), read, 4 * batch_size, broken):
            for batch in of_one_size(images, batch_size, MAX_BATCH_PIXELS):
                fakes, problems = _translated(translator, batch, to, styles)
                problems |= _write(pool, writing, fakes, mine)
                broken |= problems
                done += len(batch) - len(problems)
                progress(done + len(broken), len(mine))
    processes.on_first(partial(_refuse_broken, processes.all_gather(broken), len(plan)))


def _write(
    pool: ThreadPoolExecutor, writing: Writing, fakes: dict[Path, list[Pixels]], plan: dict[Path, Path]
) -> dict[Path, DataError]:
    """Write all outputs of each source; return what cannot be written, by source."""
    outputs = [
        (target, pixels, source)
        for source, several in fakes.items()
        for target, pixels in zip(numbered(plan[source], len(several)), several, strict=True)
    ]
    written = pool.map(lambda output: writing.write(*output), outputs)
    return {source: found for (_, _, source), found in zip(outputs, written, strict=True) if found}


def _refuse_unfit(translator: Translator, sources: Sequence[Path], scaling: Scaling) -> None:
    """Raise DataError, before any work, if an image will not fit in memory."""
    sizes = {source: scaling.of(stored_size(source)) for source in sources}
    reasons = refuse_unfit(translator, sizes.values())
    if unfit := {str(source): reasons[size] for source, size in sizes.items() if size in reasons}:
        raise DataError(f"{len(unfit)} of {len(sources)} images are too large to translate\n{listing(unfit)}")


def _without_existing(plan: dict[Path, Path], num_outputs: int) -> dict[Path, Path]:
    """Return what of the plan is not there yet."""
    return {
        source: target
        for source, target in plan.items()
        if not all(output.is_file() for output in numbered(target, num_outputs))
    }


def _translated(
    translator: Translator, batch: dict[Path, Pixels], to: DomainName, styles: Styles | None
) -> tuple[dict[Path, list[Pixels]], dict[Path, DataError]]:
    """Return the translations of images of one size, by source; and what did not fit in memory, and the way out."""
    images = to_network(torch.from_numpy(np.stack(list(batch.values()))))
    try:
        if styles is None:
            fakes = translator.translate(images, to)[None]
        else:
            fakes = translate_in_styles(translator, images, to, torch.stack([styles.of(source) for source in batch]))
    except DataError as problem:  # no room for the tiles
        return {}, dict.fromkeys(batch, problem)
    except (MemoryError, RuntimeError) as problem:
        if not is_out_of_memory(problem):
            raise
        height, width = next(iter(batch.values())).shape[:2]
        ways = ["fewer --num-outputs"] if styles is not None and styles.num_outputs > 1 else []
        ways += ["--batch-size 1"] if len(batch) > 1 else []
        ways += [f"--tile {TILE}"] if translator.tile is None and max(height, width) > TILE else []
        ways += [f"--max-side {max(height, width) // 2}"]
        reason = DataError(f"{len(batch)} of {width}x{height} pixels do not fit in memory: try {' or '.join(ways)}")
        return {}, dict.fromkeys(batch, reason)
    several = [to_pixels(some).cpu().numpy() for some in fakes]  # of each style
    return dict(zip(batch, map(list, zip(*several, strict=True)), strict=True)), {}


def _refuse_broken(parts: list[dict[Path, DataError]], count: int) -> None:
    """Name what no process could read."""
    reasons = {str(source): str(problem) for part in parts for source, problem in part.items()}
    if reasons:
        raise DataError(f"{len(reasons)} of {count} images cannot be translated; the rest is done\n{listing(reasons)}")


def _read_ahead(
    pool: ThreadPoolExecutor,
    sources: Sequence[Path],
    read: Callable[[Path], Pixels | DataError],
    count: int,
    broken: dict[Path, DataError],
) -> Iterator[dict[Path, Pixels]]:
    """The images by source, `count` at a time so that any folder fits in memory; what cannot be read: broken."""
    for some in portions(sources, count):
        images: dict[Path, Pixels] = {}
        for source, image in zip(some, pool.map(read, some), strict=True):
            if isinstance(image, DataError):
                broken[source] = image
            else:
                images[source] = image
        yield images


def _read(source: Path, scaling: Scaling, levels: Levels) -> Pixels | DataError:
    try:
        return scaling.scale(read_image(source, levels))
    except DataError as problem:
        return problem


def of_one_size(images: dict[Path, ImageArray], batch_size: int, max_pixels: int) -> Iterator[dict[Path, ImageArray]]:
    """Return images (h, w, 3) of equal size, as many together as `batch_size` and the memory for large ones allow."""
    for shape in sorted({image.shape for image in images.values()}):
        alike = [path for path, image in images.items() if image.shape == shape]
        count = max(1, min(batch_size, max_pixels // (shape[0] * shape[1])))
        for first in range(0, len(alike), count):
            yield {path: images[path] for path in alike[first : first + count]}
