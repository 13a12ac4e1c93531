"""3x3 convolutions of many channels on a CPU, by Winograd's minimal filtering (Lavin and Gray, CVPR 2016).

The output is cut into tiles of 4x4 pixels. With a tile Y, the 6x6 pixels d of the input that it needs and a
kernel g,

    Y = A' [(G g G') * (B' d B)] A

where ' transposes and * multiplies number by number. Over channels, * is a product of matrices for each of the 36
positions: 36 multiplications for 16 pixels, where the direct convolution takes 144. In float32 the mean error of
outputs and gradients is about 1e-6 of their deviation (benchmarks/winograd.py).
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
FEWEST_PIXELS = 1000  # of the padded input: with fewer, the transform of the kernel does
TILE, REACH = 4, 2
SIDE = TILE + REACH
# B', G and A' for the interpolation points 0, 1, -1, 2, -2 and infinity: F(4x4, 3x3) of the paper.
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


_disabled: ContextVar[bool] = ContextVar("disabled", default=False)
# By the id of a weight: the weight, held so that its id is not reused, and its transformed kernel.
_kernels: ContextVar[dict[int, tuple[Tensor, Tensor]] | None] = ContextVar("kernels", default=None)


@contextmanager
def enabled() -> Iterator[None]:
    """Within, large convolutions are computed by Winograd. No weight may change: each one is transformed once."""
    token = _kernels.set({})
    try:
        yield
    finally:
        _kernels.reset(token)


@contextmanager
def disabled() -> Iterator[None]:
    """Within, all convolutions are direct, in a training step too: operations are counted so, on every machine."""
    token = _disabled.set(True)  # noqa: FBT003
    try:
        yield
    finally:
        _disabled.reset(token)


def is_better(padded: Tensor, weight: Tensor, stride: tuple[int, ...]) -> bool:
    """Return whether to convolve this padded input by Winograd: where it is enabled, on a CPU, with many channels."""
    return (
        _kernels.get() is not None
        and not _disabled.get()
        and padded.device.type == "cpu"
        and padded.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
        and is_large(weight, stride, padded.shape[2] * padded.shape[3])
    )


def is_large(weight: Tensor, stride: tuple[int, ...], pixels: int) -> bool:
    """Return whether Winograd is better for a weight, a stride and the pixels of a padded input, on a CPU."""
    is_3x3 = tuple(weight.shape[2:]) == (3, 3) and set(stride) == {1}
    return is_3x3 and min(weight.shape[:2]) >= FEWEST_CHANNELS and pixels >= FEWEST_PIXELS


def transformed_bytes(weight: Tensor) -> int:
    """Return the memory of a transformed weight."""
    return weight.nbytes * SIDE**2 // 9


def convolve(
    padded: Float[Tensor, "n c h_padded w_padded"],
    weight: Float[Tensor, "c_out c 3 3"],
    bias: Float[Tensor, " c_out"] | None = None,
) -> Float[Tensor, "n c_out h w"]:
    """Return the convolution without padding and of stride 1."""
    products = torch.bmm(_tiles_of_input(padded), _kernel(weight).mT)  # (36, t, c_out)
    height, width = padded.shape[2] - REACH, padded.shape[3] - REACH
    rows, columns = _grid(height, width)
    out = padded.new_empty(len(padded), rows, TILE, columns, TILE, len(weight))
    matrix = _matrix("output", padded)
    for image, row, tiles in _strips(len(padded), rows, columns):
        pixels = (matrix @ products[:, tiles].flatten(1)).view(TILE, TILE, columns, -1)
        out[image, row] = pixels.transpose(1, 2)
    if bias is not None:
        out += bias
    return _crop(out.flatten(3, 4).flatten(1, 2), height, width)


def gradients(
    grad: Float[Tensor, "n c_out h w"], padded: Tensor, weight: Tensor, wanted: list[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of `padded` and of `weight`, those that are wanted."""
    of_products = _gradient_of_products(grad)
    grad_padded = _input_gradient(of_products, padded, weight) if wanted[0] else None
    return grad_padded, _kernel_gradient(of_products, padded, weight) if wanted[1] else None


def _kernel_gradient(of_products: Float[Tensor, "36 t c_out"], padded: Tensor, weight: Tensor) -> Tensor:
    by_position = torch.bmm(of_products.mT, _tiles_of_input(padded))  # (36, c_out, c)
    by_tap = _matrix("kernel", padded).T @ by_position.flatten(1)  # (9, c_out c)
    grad_weight = by_tap.view(3, 3, *weight.shape[:2]).permute(2, 3, 0, 1)
    return grad_weight.contiguous(memory_format=torch.channels_last)


def _input_gradient(of_products: Float[Tensor, "36 t c_out"], padded: Tensor, weight: Tensor) -> Tensor:
    of_input = torch.bmm(of_products, _kernel(weight))  # (36, t, c)
    height, width = padded.shape[2:]
    rows, columns = _grid(height - REACH, width - REACH)
    total = padded.new_zeros(len(padded), TILE * (rows + 1), columns + 1, TILE, padded.shape[1])
    matrix = _matrix("input", padded).T
    for image, row, tiles in _strips(len(padded), rows, columns):
        patches = (matrix @ of_input[:, tiles].flatten(1)).view(SIDE, SIDE, columns, -1).transpose(1, 2)
        strip = total[image, TILE * row : TILE * row + SIDE]  # neighbours share two rows, and two columns
        strip[:, :-1] += patches[:, :, :TILE]
        strip[:, 1:, :REACH] += patches[:, :, TILE:]
    return _crop(total.flatten(2, 3), height, width)


def _tiles_of_input(padded: Tensor) -> Float[Tensor, "36 t c"]:
    """Return the 6x6 pixels that each of t tiles needs, transformed."""
    height, width = padded.shape[2] - REACH, padded.shape[3] - REACH
    pixels = _pad_to_tiles(padded.permute(0, 2, 3, 1), height, width)
    patches = pixels.unfold(1, SIDE, TILE).unfold(2, SIDE, TILE)  # (n, rows, columns, c, 6, 6)
    return _transform(patches.permute(0, 1, 4, 5, 2, 3), _matrix("input", padded))


def _gradient_of_products(grad: Tensor) -> Float[Tensor, "36 t c_out"]:
    """Return the gradient of each tile's products from that of the output."""
    rows, columns = _grid(*grad.shape[2:])
    pixels = _pad_to_tiles(grad.permute(0, 2, 3, 1), *grad.shape[2:])
    tiles = pixels.unflatten(2, (columns, TILE)).unflatten(1, (rows, TILE)).permute(0, 1, 2, 4, 3, 5)
    return _transform(tiles, _matrix("output", grad).T)


def _transform(
    patches: Float[Tensor, "n rows side side columns c"], matrix: Float[Tensor, "36 side_side"]
) -> Float[Tensor, "36 t c"]:
    """Return the products of the matrix with the pixels of each tile."""
    n, rows, _, _, columns, channels = patches.shape
    out = patches.new_empty(len(matrix), n * rows * columns, channels)
    for image, row, tiles in _strips(n, rows, columns):
        of_strip = patches[image, row].reshape(matrix.shape[1], -1)
        torch.mm(matrix, of_strip, out=out[:, tiles].flatten(1))
    return out


def _strips(images: int, rows: int, columns: int) -> Iterator[tuple[int, int, slice]]:
    """Return each row of tiles of each image, and where its tiles are: few enough to be in the cache, transformed."""
    for number in range(images * rows):
        yield *divmod(number, rows), slice(number * columns, (number + 1) * columns)


def _kernel(weight: Tensor) -> Float[Tensor, "36 c_out c"]:
    """Return the transformed weight, which is kept while Winograd is enabled."""
    kept = _kernels.get()
    if kept is None:
        return _transformed_kernel(weight)
    if id(weight) not in kept:
        kept[id(weight)] = weight, _transformed_kernel(weight)
    return kept[id(weight)][1]


def _transformed_kernel(weight: Tensor) -> Float[Tensor, "36 c_out c"]:
    taps = weight.detach().permute(0, 2, 3, 1).flatten(1, 2)  # (c_out, 9, c)
    return torch.matmul(_matrix("kernel", weight), taps).transpose(0, 1)


def _grid(height: int, width: int) -> tuple[int, int]:
    """Return how many rows and columns of tiles cover an output of this size."""
    return -(-height // TILE), -(-width // TILE)


def _pad_to_tiles(x: Float[Tensor, "n h w c"], height: int, width: int) -> Tensor:
    """Return x with zeros below and on the right, up to whole tiles of an output of this size."""
    lacking = -height % TILE, -width % TILE
    return F.pad(x, (0, 0, 0, lacking[1], 0, lacking[0])) if any(lacking) else x


def _crop(x: Float[Tensor, "n h_tiled w_tiled c"], height: int, width: int) -> Float[Tensor, "n c h w"]:
    return x[:, :height, :width].contiguous().permute(0, 3, 1, 2)


def _matrix(name: str, like: Tensor) -> Tensor:
    """Return a transform of rows and columns at once: (36, 36) of the input, (36, 9) kernel, (16, 36) output."""
    one_way = {"input": INPUT, "kernel": KERNEL, "output": OUTPUT}[name]
    of_rows = torch.tensor(one_way, dtype=like.dtype, device=like.device)
    return torch.kron(of_rows, of_rows)
