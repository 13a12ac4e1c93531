"""What people translate from Python: images in the forms they have at hand, and results in the same form."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nicegan.config import FULL_LEVELS, Levels
from nicegan.data.augment import to_network, to_pixels
from nicegan.data.folders import read_image, upright_rgb
from nicegan.errors import DataError, InputError
from nicegan.shapes import Image as Images

TAKEN = (
    "a PIL image, a path, an array (h, w, 3) or (n, h, w, 3) of uint8 in RGB, a floating-point tensor (n, 3, h, w) or "
    "(3, h, w) in RGB from -1 to 1, or a list of these"
)
ROUNDING = 1e-3  # beyond [-1, 1], as arithmetic leaves it


class Form(NamedTuple):
    """Images as the networks take them, (n, 3, h, w) in [-1, 1], and the way back to the caller's form.

    `restore` takes images (n, 3, h, w) in [-1, 1], or heat (n, 1, h, w) in [0, 1].
    """

    images: Images
    restore: Callable[[Tensor], Any]


def read_input(image: object, levels: Levels = FULL_LEVELS) -> Form:
    """Return one input (not a list) as images; `levels` as in `nicegan.data.folders.read_image`.

    Raises:
        InputError: another kind of object, another shape, or values outside the range; says what is taken.
        DataError: a path to an image that cannot be read.
    """
    if isinstance(image, str | os.PathLike):
        try:
            return _of_pil(read_image(Path(image), levels))
        except DataError as problem:
            raise DataError(f"{image}: {problem}") from None
    if isinstance(image, Image.Image):
        return _of_pil(upright_rgb(image, levels))
    if isinstance(image, np.ndarray):
        return _of_array(image)
    if isinstance(image, Tensor):
        return _of_tensor(image)
    raise InputError(f"{type(image).__name__} cannot be translated: give {TAKEN}")


def _of_pil(rgb: Image.Image) -> Form:
    pixels = torch.from_numpy(np.array(rgb))[None]
    return Form(to_network(pixels), lambda out: Image.fromarray(_bytes(out)[0]))


def _of_array(array: np.ndarray[Any, Any]) -> Form:
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or array.shape[-1] != 3 or 0 in array.shape:
        raise InputError(f"an array {array.shape} of {array.dtype} cannot be translated: give {TAKEN}")
    if array.ndim == 4:
        return Form(to_network(torch.from_numpy(array.copy())), _bytes)
    return Form(to_network(torch.from_numpy(array.copy())[None]), lambda out: _bytes(out)[0])


def _of_tensor(tensor: Tensor) -> Form:
    if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3 or 0 in tensor.shape or not tensor.is_floating_point():
        raise InputError(f"a tensor {tuple(tensor.shape)} of {tensor.dtype} cannot be translated: give {TAKEN}")
    least, most = (float(end) for end in tensor.detach().aminmax())
    if not (-1 - ROUNDING <= least <= most <= 1 + ROUNDING):  # a NaN is not within either
        raise InputError(
            f"the tensor's values go from {least:g} to {most:g}, and a tensor is taken to be RGB from -1 to 1: "
            "scale it, x / 127.5 - 1 if it is of bytes"
        )
    return Form(tensor, lambda out: out) if tensor.ndim == 4 else Form(tensor[None], lambda out: out[0])


def _bytes(out: Tensor) -> np.ndarray[Any, Any]:
    """Return images as (n, h, w, 3), or heat as (n, h, w), of uint8."""
    if out.shape[1] == 1:
        return (out[:, 0] * 255).round().byte().cpu().numpy()
    return to_pixels(out).cpu().numpy()
