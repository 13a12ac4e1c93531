"""Translating files and whole folders: read ahead, in batches of one size, written under the inputs' names."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from nicegan.data.augment import to_network, to_pixels
from nicegan.data.cache import Pixels, Progress, scaled
from nicegan.data.folders import find_images, listing, portions, read_image, without_image_warnings, workers
from nicegan.distributed import ALONE, ProcessGroup
from nicegan.errors import DataError, is_out_of_memory
from nicegan.inference.translator import Translator
from nicegan.shapes import DomainName

ImageArray = TypeVar("ImageArray", bound=NDArray[Any])
MAX_BATCH_PIXELS = 8 * 512 * 512
OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM}


def translate_files(  # noqa: PLR0913
    translator: Translator,
    inputs: Sequence[Path],
    out: Path,
    *,
    to: DomainName,
    resize: int | tuple[int, int] | None = None,
    image_format: str = "png",
    batch_size: int = 8,
    progress: Progress = lambda done, count: None,
    processes: ProcessGroup = ALONE,
) -> list[Path]:
    """Translate files and folders into `out`, each output named like its input; returns the files written.

    Each of several processes translates a part of the images.

    Args:
        resize: translate at this side in pixels, square, as the paper does, or at this height and width; else at each
            image's own size.
        image_format: suffix of the outputs.
        progress: told how many of how many images are done.

    Raises:
        DataError: inputs that are missing, cannot be read (all are listed; the others are translated), or whose
            outputs would overwrite each other or an input.
    """
    plan = processes.on_first(lambda: plan_outputs(inputs, out, image_format))
    translate_planned(
        translator, plan, to=to, resize=resize, batch_size=batch_size, progress=progress, processes=processes
    )
    return list(plan.values())


def translate_planned(  # noqa: PLR0913
    translator: Translator,
    plan: dict[Path, Path],
    *,
    to: DomainName,
    resize: int | tuple[int, int] | None = None,
    batch_size: int = 8,
    progress: Progress = lambda done, count: None,
    processes: ProcessGroup = ALONE,
) -> None:
    """As `translate_files`, of single files, each into the file that the plan gives it.

    Raises:
        DataError: inputs that cannot be read; all are listed, and the others are translated.
    """
    mine = {source: plan[source] for source in processes.shard(list(plan))}
    size = (resize, resize) if isinstance(resize, int) else resize
    source_of = {target: source for source, target in mine.items()}
    broken: dict[Path, DataError] = {}
    done = 0
    with without_image_warnings(), workers() as pool:
        for images in _read_ahead(pool, mine, size, 4 * batch_size, broken):
            for batch in of_one_size(images, batch_size, MAX_BATCH_PIXELS):
                problems = _translated(translator, batch, to, pool)
                broken |= {source_of[target]: problem for target, problem in problems.items()}
                done += len(batch) - len(problems)
                progress(done + len(broken), len(mine))
    processes.on_first(partial(_refuse_broken, processes.all_gather(broken), len(plan)))


def _translated(
    translator: Translator, batch: dict[Path, Pixels], to: DomainName, pool: ThreadPoolExecutor
) -> dict[Path, DataError]:
    """Translate images of one size and write them; what could not be, by output, and why."""
    try:
        fakes = translator.translate(to_network(torch.from_numpy(np.stack(list(batch.values())))), to)
    except (MemoryError, RuntimeError) as problem:
        if not is_out_of_memory(problem):
            raise
        height, width = next(iter(batch.values())).shape[:2]
        reason = DataError(
            f"{len(batch)} of {width}x{height} pixels do not fit in memory: try --batch-size 1, or --resize"
        )
        return dict.fromkeys(batch, reason)
    written = pool.map(_write, batch, to_pixels(fakes).cpu().numpy())
    return {target: problem for target, problem in zip(batch, written, strict=True) if problem}


def _refuse_broken(parts: list[dict[Path, DataError]], count: int) -> None:
    """Name what no process could read."""
    reasons = {str(source): str(problem) for part in parts for source, problem in part.items()}
    if reasons:
        raise DataError(f"{len(reasons)} of {count} images cannot be translated; the rest is done\n{listing(reasons)}")


def _read_ahead(
    pool: ThreadPoolExecutor,
    plan: dict[Path, Path],
    size: tuple[int, int] | None,
    count: int,
    broken: dict[Path, DataError],
) -> Iterator[dict[Path, Pixels]]:
    """The plan's images by output, `count` at a time so that any folder fits in memory; what cannot be read: broken."""
    sources = list(plan)
    for some in portions(sources, count):
        images: dict[Path, Pixels] = {}
        for source, image in zip(some, pool.map(lambda path: _read(path, size), some), strict=True):
            if isinstance(image, DataError):
                broken[source] = image
            else:
                images[plan[source]] = image
        yield images


def plan_outputs(inputs: Sequence[Path], out: Path, image_format: str) -> dict[Path, Path]:
    """Where each input image goes: folders keep their inner structure, names keep their stem."""
    plan: dict[Path, Path] = {}
    for given in inputs:
        if given.is_dir():
            found = {path: path.relative_to(given) for path in find_images(given)}
            if not found:
                raise DataError(f"{given} holds no images")
        elif given.is_file():
            found = {given: Path(given.name)}
        else:
            raise DataError(f"{given} does not exist")
        plan |= {path: out / inner.with_suffix(f".{image_format}") for path, inner in found.items()}
    taken: dict[str, Path] = {}  # without case: on many disks IMG.png and img.png are one file
    sources = {os.path.realpath(path) for path in plan}  # Path.resolve breaks on a loop of links
    numbers = {(stat.st_dev, stat.st_ino) for stat in map(_stat, plan) if stat}  # another name of an input, a hard link
    for source, target in plan.items():
        key = str(target).casefold()
        if key in taken:
            raise DataError(f"{taken[key]} and {source} would both be written to {target}: translate them apart")
        there = _stat(target)
        if os.path.realpath(target) in sources or (there and (there.st_dev, there.st_ino) in numbers):
            raise DataError(f"{target} is an input: choose another --out")
        taken[key] = source
    return plan


def _stat(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def _read(source: Path, size: tuple[int, int] | None) -> Pixels | DataError:
    try:
        image = read_image(source)
    except DataError as problem:
        return problem
    return np.asarray(image) if size is None else scaled(image, size)


def of_one_size(images: dict[Path, ImageArray], batch_size: int, max_pixels: int) -> Iterator[dict[Path, ImageArray]]:
    """Return images (h, w, 3) of equal size, as many together as `batch_size` and the memory for large ones allow."""
    for shape in sorted({image.shape for image in images.values()}):
        alike = [path for path, image in images.items() if image.shape == shape]
        count = max(1, min(batch_size, max_pixels // (shape[0] * shape[1])))
        for first in range(0, len(alike), count):
            yield {path: images[path] for path in alike[first : first + count]}


def _write(target: Path, pixels: Pixels) -> DataError | None:
    """Write an image; what its format or its name did not allow. A disk that takes no more is everyone's problem."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(target)
    except (OSError, ValueError) as problem:
        if isinstance(problem, OSError) and problem.errno in OF_THE_DISK:
            raise OSError(problem.errno, problem.strerror, str(target)) from None
        return DataError(f"cannot write {target}: {getattr(problem, 'strerror', None) or problem}")
    return None
