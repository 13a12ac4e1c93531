"""3x3 convolutions of many channels on a CPU, by Winograd's minimal filtering (Lavin and Gray, CVPR 2016).

The output is cut into tiles of 4x4 pixels. A tile needs 6x6 pixels of the padded input; the tile, its kernel and its
output are transformed so that the convolution is a product of matrices for each of the 36 places: 36 products of
channels for 16 pixels, where the definition takes 144. In float32 the mean error is 1e-6 of the output's deviation,
two to three times that of PyTorch's convolution (benchmarks/winograd.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

FEWEST_CHANNELS = 128  # with fewer the transforms take what the products save (benchmarks/winograd.py)
FEWEST_PIXELS = 256  # of the padded input
TILE, REACH = 4, 2
# For the points 0, 1, -1, 2, -2 and infinity; F(4x4, 3x3) of the paper.
INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
OUTPUT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


# Weights, which must not be collected while they are known by their address, and their transforms.
_kept: ContextVar[dict[int, tuple[Tensor, Tensor]] | None] = ContextVar("kept", default=None)
_by_definition: ContextVar[bool] = ContextVar("by_definition", default=False)


@contextmanager
def by_definition() -> Iterator[None]:
    """Within, all convolutions are computed by the definition: for counts of operations that do not depend on the
    machine."""
    token = _by_definition.set(True)  # noqa: FBT003
    try:
        yield
    finally:
        _by_definition.reset(token)


@contextmanager
def weights_unchanged() -> Iterator[None]:
    """Within, no weight may change: each one is transformed once, where every pass would transform it anew."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def is_better(padded: Tensor, weight: Tensor, stride: tuple[int, ...]) -> bool:
    """Return whether to convolve this padded input by Winograd: in training, on a CPU, if there are many channels.

    Translators compute by the definition: in less memory, and the same numbers for a part of an image as for the whole.
    """
    return (
        weight.requires_grad
        and padded.device.type == "cpu"
        and padded.dtype in (torch.float32, torch.float64)
        and tuple(weight.shape[2:]) == (3, 3)
        and set(stride) == {1}
        and min(weight.shape[:2]) >= FEWEST_CHANNELS
        and padded.shape[2] * padded.shape[3] >= FEWEST_PIXELS
        and not torch.is_autocast_enabled("cpu")
        and not _by_definition.get()
    )


def convolve(
    padded: Float[Tensor, "n c h_padded w_padded"],
    weight: Float[Tensor, "c_out c 3 3"],
    bias: Float[Tensor, " c_out"] | None = None,
) -> Float[Tensor, "n c_out h w"]:
    """Return the convolution without padding and of stride 1."""
    products = torch.bmm(_tiles_of_input(padded), _kernel(weight).mT)
    height, width = padded.shape[2] - REACH, padded.shape[3] - REACH
    tiles = _matrix("output", padded.dtype) @ products.flatten(1)  # (16, tiles c_out)
    rows, columns = _grid(height, width)
    out = tiles.view(TILE, TILE, len(padded), rows, columns, len(weight)).permute(2, 3, 0, 4, 1, 5)
    out = out.reshape(len(padded), TILE * rows, TILE * columns, -1)
    if bias is not None:
        out += bias
    return _cropped(out, height, width)


def gradients(
    grad: Float[Tensor, "n c_out h w"], padded: Tensor, weight: Tensor, wanted: list[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of `padded` and of `weight`, those that are wanted."""
    of_products = _gradient_of_products(grad)
    grad_padded = _input_gradient(of_products, padded, weight) if wanted[0] else None
    return grad_padded, _kernel_gradient(of_products, padded, weight) if wanted[1] else None


def _kernel_gradient(of_products: Float[Tensor, "36 t c_out"], padded: Tensor, weight: Tensor) -> Tensor:
    by_place = torch.bmm(of_products.mT, _tiles_of_input(padded))  # (36, c_out, c)
    by_tap = _matrix("kernel", padded.dtype).T @ by_place.flatten(1)  # (9, c_out c)
    grad_weight = by_tap.view(3, 3, *weight.shape[:2]).permute(2, 3, 0, 1)
    return grad_weight.contiguous(memory_format=torch.channels_last)


def _input_gradient(of_products: Float[Tensor, "36 t c_out"], padded: Tensor, weight: Tensor) -> Tensor:
    of_input = torch.bmm(of_products, _kernel(weight))  # (36, t, c)
    height, width = padded.shape[2:]
    rows, columns = _grid(height - REACH, width - REACH)
    patches = (_matrix("input", padded.dtype).T @ of_input.flatten(1)).view(6, 6, len(padded), rows, columns, -1)
    total = padded.new_zeros(len(padded), TILE * (rows + 1), TILE * (columns + 1), padded.shape[1])
    tiles = total.view(len(padded), rows + 1, TILE, columns + 1, TILE, -1).permute(2, 4, 0, 1, 3, 5)
    for down, of_rows in ((0, slice(0, TILE)), (1, slice(TILE, None))):  # neighbours share two rows, and two columns
        for right, of_columns in ((0, slice(0, TILE)), (1, slice(TILE, None))):
            part = patches[of_rows, of_columns]
            target = tiles[: part.shape[0], : part.shape[1], :, down : down + rows, right : right + columns]
            target.add_(part)
    return _cropped(total, height, width)


def _tiles_of_input(padded: Tensor) -> Float[Tensor, "36 t c"]:
    """Return the 6x6 pixels that each of t tiles needs, transformed."""
    height, width = padded.shape[2] - REACH, padded.shape[3] - REACH
    padded = _filled(padded.permute(0, 2, 3, 1), height, width)
    patches = padded.unfold(1, TILE + REACH, TILE).unfold(2, TILE + REACH, TILE)  # (n, rows, columns, c, 6, 6)
    by_pixel = patches.permute(4, 5, 0, 1, 2, 3).reshape((TILE + REACH) ** 2, -1)
    return (_matrix("input", padded.dtype) @ by_pixel).view(len(by_pixel), -1, padded.shape[3])


def _gradient_of_products(grad: Tensor) -> Float[Tensor, "36 t c_out"]:
    """Return the gradient of each tile's products from that of the output."""
    rows, columns = _grid(*grad.shape[2:])
    grad = _filled(grad.permute(0, 2, 3, 1), *grad.shape[2:])
    by_pixel = grad.reshape(len(grad), rows, TILE, columns, TILE, -1).permute(2, 4, 0, 1, 3, 5).reshape(TILE**2, -1)
    return (_matrix("output", grad.dtype).T @ by_pixel).view((TILE + REACH) ** 2, -1, grad.shape[3])


def _kernel(weight: Tensor) -> Float[Tensor, "36 c_out c"]:
    """Return the weight transformed, and keep it where no weight may change."""
    kept = _kept.get()
    if kept is None:
        return _transformed(weight)
    if id(weight) not in kept:
        kept[id(weight)] = weight, _transformed(weight)
    return kept[id(weight)][1]


def _transformed(weight: Tensor) -> Float[Tensor, "36 c_out c"]:
    taps = weight.detach().permute(0, 2, 3, 1).flatten(1, 2)  # (c_out, 9, c)
    return torch.matmul(_matrix("kernel", weight.dtype), taps).transpose(0, 1)


def _grid(height: int, width: int) -> tuple[int, int]:
    """Return how many rows and columns of tiles cover an output of this size."""
    return -(-height // TILE), -(-width // TILE)


def _filled(x: Float[Tensor, "n h w c"], height: int, width: int) -> Tensor:
    """Return x with zeros below and on the right, up to whole tiles of an output of this size."""
    lacking = -height % TILE, -width % TILE
    return F.pad(x, (0, 0, 0, lacking[1], 0, lacking[0])) if any(lacking) else x


def _cropped(x: Float[Tensor, "n h_tiled w_tiled c"], height: int, width: int) -> Float[Tensor, "n c h w"]:
    return x[:, :height, :width].contiguous().permute(0, 3, 1, 2)


def _matrix(name: str, dtype: torch.dtype) -> Tensor:
    """Return a transform of rows and columns at once: (36, 36) of the input, (36, 9) kernel, (16, 36) output."""
    of_rows = torch.tensor({"input": INPUT, "kernel": KERNEL, "output": OUTPUT}[name], dtype=dtype)
    return torch.kron(of_rows, of_rows)
