"""What does not wobble: floating-point operations, and bytes kept for the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


class Kept(NamedTuple):
    """Bytes that autograd keeps during one step: of activations, and of copies of weights (divided ones, say)."""

    activations: int
    weight_copies: int


def kept_bytes(step: Callable[[], object], modules: Iterable[nn.Module]) -> Kept:
    """Each storage counts once and the weights themselves do not; a tensor shaped like a weight is a copy of one."""
    weights = [parameter for module in modules for parameter in module.parameters()]
    addresses = {weight.untyped_storage().data_ptr() for weight in weights}
    matrices = [weight.flatten(1) for weight in weights if weight.ndim > 1]
    shapes = {weight.shape for weight in weights if weight.ndim > 1}
    shapes |= {form.shape for matrix in matrices for form in (matrix, matrix.t())}
    seen: dict[int, tuple[int, bool]] = {}
    alive = []  # a freed storage's address could be used again

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in addresses:
            seen[storage.data_ptr()] = storage.nbytes(), tensor.shape in shapes
            alive.append(storage)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step()
    copies = sum(size for size, is_copy in seen.values() if is_copy)
    return Kept(sum(size for size, _ in seen.values()) - copies, copies)


def flops(work: Callable[[], object]) -> int:
    """Floating-point operations of all convolutions and matrix products; a multiplication and an addition are two."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()
