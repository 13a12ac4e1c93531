"""Convolutions by Winograd's algorithm against PyTorch's, in process time of one thread: where is it better?

    python benchmarks/winograd.py [--rounds 9]

Prints a row of a table for each shape: medians of forward and backward passes that take turns, with the cache full of
other data before each one; ours transforms the kernel once for both. Errors are mean distances from double precision by
the deviation: of the output, and of the gradients of input and weight.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nicegan.device import keep_freed_memory
from nicegan.nn import winograd

SHAPES = [
    (1, 256, 64), (1, 256, 54), (2, 256, 32), (1, 256, 32), (1, 256, 16),
    (1, 128, 64), (1, 128, 32), (2, 128, 16), (1, 128, 16), (1, 64, 64), (2, 32, 32),
]  # fmt: skip
OTHER_DATA = torch.ones(16 * 2**20)  # 64 MiB, more than the cache


def seconds(work: Callable[[], object]) -> float:
    """Return the process time of one call."""
    OTHER_DATA.mul_(1)
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(images: int, channels: int, side: int, rounds: int) -> str:
    """Return the row of a map with as many channels before as after."""
    padded, grad, weight = (
        torch.randn(shape).contiguous(memory_format=torch.channels_last)
        for shape in (
            (images, channels, side + 2, side + 2),
            (images, channels, side, side),
            (channels, channels, 3, 3),
        )
    )

    def direct_gradients() -> tuple[Tensor, ...]:
        settings = [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True, True, False]
        return torch.ops.aten.convolution_backward(grad, padded, weight, None, *settings)

    passes: list[Callable[[], Any]] = [
        lambda: F.conv2d(padded, weight),
        direct_gradients,
        lambda: winograd.convolve(padded, weight),
        lambda: winograd.gradients(grad, padded, weight, [True, True]),
    ]
    turns = []
    for _ in range(rounds + 1):
        with winograd.enabled():
            turns.append([seconds(work) for work in passes])
    times = [1e3 * statistics.median(each) for each in zip(*turns[1:], strict=True)]
    found = [[passes[0](), *passes[1]()[:2]], [passes[2](), *passes[3]()]]
    padded, grad, weight = padded.double(), grad.double(), weight.double()
    exact = [passes[0](), *passes[1]()[:2]]
    errors = [
        ", ".join(f"{(one - true).abs().mean() / true.std():.0e}" for one, true in zip(side, exact, strict=True))
        for side in found
    ]
    share = (times[2] + times[3]) / (times[0] + times[1])
    cells = [" x ".join(map(str, (images, channels, side, side))), *(f"{each:.1f}" for each in times), f"{share:.2f}"]
    return f"| {' | '.join([*cells, *errors])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    print("| map | forward, ms | backward | ours: forward | backward | share | error | ours |")
    print("|---|---|---|---|---|---|---|---|")
    for shape in SHAPES:
        print(measure(*shape, given.rounds), flush=True)


if __name__ == "__main__":
    main()
