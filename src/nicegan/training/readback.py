"""Numbers of a GPU that are asked for in one step and read in another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

DELAY_STEPS = 2  # a GPU is rarely further behind


class Check(NamedTuple):
    """Numbers on their way from the device to whoever must know them."""

    step: int
    names: list[str]
    numbers: Tensor
    arrived: torch.cuda.Event | None


class DelayedReadback:
    """Numbers that are asked for in one step and read in another, so that a GPU need not be waited for.

    On a CPU a number is there at once. From a GPU it is read two steps later: always then, and not when it happens to
    have arrived, since processes that work together must come to know it in the same step.
    """

    def __init__(self) -> None:
        self.pending: list[Check] = []

    def post(self, step: int, names: list[str], numbers: Tensor) -> None:
        """Send off a number for each name, (n,)."""
        arrived = torch.cuda.Event() if numbers.is_cuda else None
        self.pending.append(Check(step, names, numbers.to("cpu", non_blocking=True), arrived))
        if arrived:
            arrived.record()

    def read(self, step: int) -> Iterator[Check]:
        """Return all numbers that must be known by this step, oldest first."""
        while self.pending and (self.pending[0].arrived is None or self.pending[0].step <= step - DELAY_STEPS):
            yield self._taken()

    def rest(self) -> Iterator[Check]:
        """Return all numbers, waiting for those that are still on their way."""
        while self.pending:
            yield self._taken()

    def _taken(self) -> Check:
        check = self.pending.pop(0)
        if check.arrived is not None:
            check.arrived.synchronize()
        return check
