"""Translating files and whole folders: read ahead, in batches of one size, written under the inputs' names."""

from __future__ import annotations

import os
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
    SUFFIXES,
    find_images,
    listing,
    portions,
    read_image,
    stored_size,
    without_image_warnings,
    workers,
)
from nicegan.distributed import ALONE, ProcessGroup
from nicegan.errors import DataError, is_out_of_memory
from nicegan.inference.memory import refuse_unfit
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
    skip_existing: bool = False,
    passed_over: Counter[str] | None = None,
    batch_size: int = 8,
    progress: Progress = lambda done, count: None,
    processes: ProcessGroup = ALONE,
) -> list[Path]:
    """Translate files and folders into `out`, each output named like its input; returns the files written.

    Each of several processes translates a part of the images.

    Args:
        scaling: the size to translate at.
        writing: how to write the outputs.
        skip_existing: leave out images whose outputs are there.
        passed_over: counts the files in folders that are no images, as `nicegan.data.folders.find_images` does.
        progress: told how many of how many images are done.

    Raises:
        DataError: inputs that are missing, cannot be read (all are listed; the others are translated), or whose
            outputs would overwrite an input.
    """
    plan = processes.on_first(lambda: plan_outputs(inputs, out, writing, passed_over))
    if skip_existing:
        plan = processes.on_first(lambda: {source: target for source, target in plan.items() if not target.is_file()})
    processes.on_each(lambda: _refuse_unfit(translator, processes.shard(list(plan)), scaling))
    translate_planned(
        translator, plan, to=to, scaling=scaling, writing=writing, batch_size=batch_size, progress=progress,
        processes=processes,
    )  # fmt: skip
    return list(plan.values())


def translate_planned(  # noqa: PLR0913
    translator: Translator,
    plan: dict[Path, Path],
    *,
    to: DomainName,
    scaling: Scaling = OWN_SIZE,
    writing: Writing = AS_PNG,
    batch_size: int = 8,
    progress: Progress = lambda done, count: None,
    processes: ProcessGroup = ALONE,
) -> None:
    """As `translate_files`, of single files, each into the file that the plan gives it.

    Raises:
        DataError: inputs that cannot be read; all are listed, and the others are translated.
    """
    mine = {source: plan[source] for source in processes.shard(list(plan))}
    source_of = {target: source for source, target in mine.items()}
    broken: dict[Path, DataError] = {}
    done = 0
    read = partial(_read, scaling=scaling, levels=levels_of(translator.spec.value_range))
    with without_image_warnings(), workers() as pool:
        for images in _read_ahead(pool, mine, read, 4 * batch_size, broken):
            for batch in of_one_size(images, batch_size, MAX_BATCH_PIXELS):
                fakes, problems = _translated(translator, batch, to)
                sources = [source_of[target] for target in fakes]
                written = pool.map(writing.write, fakes, fakes.values(), sources)
                problems |= {target: found for target, found in zip(fakes, written, strict=True) if found}
                broken |= {source_of[target]: problem for target, problem in problems.items()}
                done += len(batch) - len(problems)
                progress(done + len(broken), len(mine))
    processes.on_first(partial(_refuse_broken, processes.all_gather(broken), len(plan)))


def _refuse_unfit(translator: Translator, sources: Sequence[Path], scaling: Scaling) -> None:
    """Raise DataError, before any work, if an image will not fit in memory."""
    sizes = {source: scaling.of(stored_size(source)) for source in sources}
    reasons = refuse_unfit(translator, sizes.values())
    if unfit := {str(source): reasons[size] for source, size in sizes.items() if size in reasons}:
        raise DataError(f"{len(unfit)} of {len(sources)} images are too large to translate\n{listing(unfit)}")


def _translated(
    translator: Translator, batch: dict[Path, Pixels], to: DomainName
) -> tuple[dict[Path, Pixels], dict[Path, DataError]]:
    """Return the translations of images of one size, by output; and what did not fit in memory, and the way out."""
    try:
        fakes = translator.translate(to_network(torch.from_numpy(np.stack(list(batch.values())))), to)
    except (MemoryError, RuntimeError) as problem:
        if not is_out_of_memory(problem):
            raise
        height, width = next(iter(batch.values())).shape[:2]
        way_out = "--batch-size 1, or --max-side" if len(batch) > 1 else f"--max-side {max(height, width) // 2}"
        reason = DataError(f"{len(batch)} of {width}x{height} pixels do not fit in memory: try {way_out}")
        return {}, dict.fromkeys(batch, reason)
    return dict(zip(batch, to_pixels(fakes).cpu().numpy(), strict=True)), {}


def _refuse_broken(parts: list[dict[Path, DataError]], count: int) -> None:
    """Name what no process could read."""
    reasons = {str(source): str(problem) for part in parts for source, problem in part.items()}
    if reasons:
        raise DataError(f"{len(reasons)} of {count} images cannot be translated; the rest is done\n{listing(reasons)}")


def _read_ahead(
    pool: ThreadPoolExecutor,
    plan: dict[Path, Path],
    read: Callable[[Path], Pixels | DataError],
    count: int,
    broken: dict[Path, DataError],
) -> Iterator[dict[Path, Pixels]]:
    """The plan's images by output, `count` at a time so that any folder fits in memory; what cannot be read: broken."""
    sources = list(plan)
    for some in portions(sources, count):
        images: dict[Path, Pixels] = {}
        for source, image in zip(some, pool.map(read, some), strict=True):
            if isinstance(image, DataError):
                broken[source] = image
            else:
                images[plan[source]] = image
        yield images


def plan_outputs(
    inputs: Sequence[Path], out: Path, writing: Writing = AS_PNG, passed_over: Counter[str] | None = None
) -> dict[Path, Path]:
    """Return where each input image goes: folders keep their inner structure, names keep their stem.

    Names that would be one file (cat.jpg and cat.png, or IMG.png and img.png on disks without case) keep their suffix
    as well. What lies in `out` is no input. An `out` that is named like an image takes one input.

    Raises:
        DataError: inputs that are missing or empty, several for one file, or an output that is an input.
    """
    found: dict[Path, Path] = {}
    for given in inputs:
        found |= _inner_paths(given, out, passed_over)
    if out.suffix.lower() in SUFFIXES and not out.is_dir():
        if len(found) != 1:
            raise DataError(f"{out} is one file, and there are {len(found)} images: name a folder with --out")
        plan = {source: out for source in found}
    else:
        plan = {source: out / name for source, name in _apart(found, writing).items()}
    sources = {os.path.realpath(path) for path in plan}  # Path.resolve breaks on a loop of links
    numbers = {(stat.st_dev, stat.st_ino) for stat in map(_stat, plan) if stat}  # another name of an input, a hard link
    for target in plan.values():
        there = _stat(target)
        if os.path.realpath(target) in sources or (there and (there.st_dev, there.st_ino) in numbers):
            raise DataError(f"{target} is an input: choose another --out")
    return plan


def _inner_paths(given: Path, out: Path, passed_over: Counter[str] | None) -> dict[Path, Path]:
    """Return the images of one input, and their paths inside it."""
    if given.is_file():
        return {given: Path(given.name)}
    if not given.is_dir():
        raise DataError(f"{given} does not exist")
    inside = out.absolute() != given.absolute() and out.absolute().is_relative_to(given.absolute())
    paths = [
        path
        for path in find_images(given, passed_over)
        if not (inside and path.absolute().is_relative_to(out.absolute()))
    ]
    if not paths:
        raise DataError(f"{given} holds no images")
    return {path: path.relative_to(given) for path in paths}


def _apart(found: dict[Path, Path], writing: Writing) -> dict[Path, Path]:
    """Return the name of each output, no two alike without case."""
    names = {source: inner.with_suffix(writing.suffix(source)) for source, inner in found.items()}
    counts = Counter(str(name).casefold() for name in names.values())
    taken: set[str] = set()
    for source, name in names.items():
        if counts[str(name).casefold()] > 1:
            name = name.with_name(f"{found[source].name}{name.suffix}")
        unique, number = name, 2
        while str(unique).casefold() in taken:
            unique, number = name.with_name(f"{name.stem}_{number}{name.suffix}"), number + 1
        taken.add(str(unique).casefold())
        names[source] = unique
    return names


def _stat(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


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
