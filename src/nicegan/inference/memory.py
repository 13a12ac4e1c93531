"""Which images are too large to be translated in the memory there is: known before the work begins."""

from __future__ import annotations

from collections.abc import Iterable
from math import isqrt

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from nicegan.config import Size
from nicegan.device import free_bytes, process_bytes
from nicegan.inference.translator import Translator
from nicegan.ledger import Ledger

SURELY_FITS = 1024 * 1024  # pixels
CPU_WORKSPACE = 1.9  # memory of a pass per byte of its tensors, measured (docs/LOG.md)


def needed_bytes(translator: Translator, size: Size) -> int:
    """Return the memory that translating one image of this height and width takes, the process itself included."""
    spec = translator.spec
    with FakeTensorMode(), torch.device(translator.device):
        networks = spec.method.build(spec.image_size).translation_model().eval().requires_grad_(False)  # noqa: FBT003
        height, width = spec.method.translation_sizes(spec.image_size).padded(size)
        image = torch.empty(1, 3, height, width)
        with torch.no_grad(), Ledger() as ledger, translator.machine.autocast():
            networks.translate(image, "B")
    passing = ledger.peak + image.numel() * image.element_size()
    return held_bytes(translator) + int(passing * (CPU_WORKSPACE if translator.device.type == "cpu" else 1))


def held_bytes(translator: Translator) -> int:
    """Return the memory that is taken whatever is translated."""
    device = translator.device
    return (
        process_bytes() if device.type == "cpu" else torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
    )


def refuse_unfit(translator: Translator, sizes: Iterable[Size]) -> dict[Size, str]:
    """Return the sizes of images that will not fit, each with what it needs and what would help."""
    free = free_bytes(translator.device)
    large = sorted({size for size in sizes if size[0] * size[1] > SURELY_FITS}, key=lambda size: size[0] * size[1])
    found: dict[Size, str] = {}
    while large and free is not None and (need := needed_bytes(translator, size := large.pop())) > free:
        held = held_bytes(translator)
        side = isqrt(int(max(size) ** 2 * max(0, free - held) / (need - held))) // 64 * 64
        way_out = f"--max-side {side}" if side >= 64 else "a machine with more memory"
        found[size] = f"it needs about {need / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free: try {way_out}"
    return found
