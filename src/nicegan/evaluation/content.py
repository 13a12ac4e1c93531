"""How much of its source a translation keeps: structural similarity, image by image.

Source: Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 2004.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nicegan.data.cache import Progress, scaled
from nicegan.data.folders import read_image
from nicegan.errors import DataError

SMALLEST_SIDE = 11  # pixels, of a Gaussian window of deviation 1.5


def similarity_to_sources(
    translations: Sequence[Path],
    sources: Sequence[Path],
    progress: Progress = lambda done, count: None,
) -> Float[Tensor, " n"]:
    """SSIM of each translation and its source, RGB in 0..255, edges reflected, in float64; 1 for no change.

    A source of another size is brought to its translation's, bilinear.

    Raises:
        DataError: an image that cannot be read, or is smaller than a window.
    """
    values = []
    for done, (translation, source) in enumerate(zip(translations, sources, strict=True)):
        values.append(_similarity(translation, source))
        progress(done + 1, len(sources))
    return torch.tensor(values, dtype=torch.float64)


def _similarity(translation: Path, source: Path) -> float:
    from torchmetrics.functional.image import structural_similarity_index_measure

    images = []
    for path in (translation, source):
        try:
            images.append(read_image(path))
        except DataError as problem:
            raise DataError(f"{path}: {problem}") from None
    width, height = images[0].size
    if min(width, height) < SMALLEST_SIDE:
        raise DataError(f"{translation} has {width}x{height} pixels: SSIM needs {SMALLEST_SIDE} a side")
    pixels = [np.array(images[0]), scaled(images[1], (height, width))]
    fake, given = (torch.from_numpy(p.astype(np.float64)).permute(2, 0, 1)[None] for p in pixels)
    similarity = structural_similarity_index_measure(fake, given, data_range=255.0)  # the definition is for 0..255
    assert isinstance(similarity, Tensor)
    return similarity.item()
