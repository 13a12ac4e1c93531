"""How much memory a translation takes, and which images are too large for what there is: known before the work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from nicegan.config import Size
from nicegan.device import free_bytes, process_bytes
from nicegan.ledger import Ledger

if TYPE_CHECKING:
    from nicegan.inference.translator import Translator

SURELY_FITS = 1024 * 1024  # pixels
CPU_WORKSPACE = 1.9  # memory of a pass per byte of its tensors, measured (docs/LOG.md)
TILE = 512  # pixels, the side of the tiles of what does not fit as a whole


def passing_bytes(translator: Translator, size: Size) -> int:
    """Return the memory that a pass over one image of this height and width takes, without making it."""
    if size not in translator.passing:
        translator.passing[size] = _passing_bytes(translator, size)
    return translator.passing[size]


def _passing_bytes(translator: Translator, size: Size) -> int:
    spec = translator.spec
    with FakeTensorMode(), torch.device(translator.device):
        networks = spec.method.build_translation_model(spec.image_size).eval().requires_grad_(False)  # noqa: FBT003
        height, width = translator.sizes.padded(size)
        image = torch.empty(1, 3, height, width)
        with torch.no_grad(), Ledger() as ledger, translator.machine.autocast():
            networks.translate(image, "B")
    passing = ledger.peak + image.numel() * image.element_size()
    return int(passing * (CPU_WORKSPACE if translator.device.type == "cpu" else 1))


def needed_bytes(translator: Translator, size: Size) -> int:
    """Return the memory that translating one image of this size as a whole takes, the process itself included."""
    passing = passing_bytes(translator, size)  # first: it loads modules
    return held_bytes(translator) + passing


def needed_in_tiles(translator: Translator, size: Size, side: int = TILE) -> int:
    """Return the memory that translating one image of this size in tiles takes, the process itself included."""
    read = side + 2 * translator.reach
    passing = passing_bytes(translator, (read, read))
    images = 2 * 3 * size[0] * size[1] * torch.float32.itemsize
    return held_bytes(translator) + passing + images


def fits(translator: Translator, size: Size) -> bool:
    """Return whether an image of this size can be translated as a whole, as far as is known."""
    if size[0] * size[1] <= SURELY_FITS:
        return True
    free = free_bytes(translator.device)
    return free is None or needed_bytes(translator, size) <= free


def held_bytes(translator: Translator) -> int:
    """Return the memory that is taken whatever is translated."""
    device = translator.device
    return (
        process_bytes() if device.type == "cpu" else torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
    )


def refuse_unfit(translator: Translator, sizes: Iterable[Size]) -> dict[Size, str]:
    """Return the sizes of images that will not fit, not even in tiles, with what they need and what would help."""
    free = free_bytes(translator.device)
    large = sorted({size for size in sizes if size[0] * size[1] > SURELY_FITS}, key=lambda size: size[0] * size[1])
    found: dict[Size, str] = {}
    while large and free is not None and (need := _least_needed(translator, size := large.pop())) > free:
        longest = _longest_that_fits(translator, size, free)
        way_out = f"--max-side {longest}" if longest >= 64 else "a machine with more memory"
        found[size] = f"it needs about {need / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free: try {way_out}"
    return found


def _least_needed(translator: Translator, size: Size) -> int:
    whole = needed_bytes(translator, size)
    if translator.sizes.exact:
        return whole
    return min(whole, needed_in_tiles(translator, size, translator.tile or TILE))


def _longest_that_fits(translator: Translator, size: Size, free: int) -> int:
    """Return the longer side to which an image must be shrunk to fit, found by halving the interval."""
    fitting, too_large = 0, max(size) // 64
    while too_large - fitting > 1:
        middle = (fitting + too_large) // 2
        height, width = (max(1, round(side * middle * 64 / max(size))) for side in size)
        if _least_needed(translator, (height, width)) <= free:
            fitting = middle
        else:
            too_large = middle
    return fitting * 64
