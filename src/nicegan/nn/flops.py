"""Floating-point operations, counted as they are carried out but for fast algorithms of convolutions."""

from __future__ import annotations

from collections.abc import Callable

from torch.utils.flop_counter import FlopCounterMode

from nicegan.nn import winograd


def flops(work: Callable[[], object]) -> int:
    """Return the operations of all convolutions, direct, and matrix products; a multiplication and an addition are
    two."""
    with winograd.disabled(), FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()
