"""What does not wobble: floating-point operations, and bytes kept for the backward pass."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nicegan.methods.base import Fakes
from nicegan.nn.winograd import by_definition
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch


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
    kept = {is_copy: 0 for is_copy in (False, True)}
    alive: set[int] = set()

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if storage.data_ptr() not in addresses and key not in alive:
            alive.add(key)
            weakref.finalize(storage, alive.discard, key)  # another storage may have its address then
            kept[tensor.shape in shapes] += storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step()
    return Kept(activations=kept[False], weight_copies=kept[True])


class Convolution(NamedTuple):
    """A convolution without padding: shapes of its input (n, c, h, w) and weight (c_out, c, k, k), and its stride."""

    input_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    stride: tuple[int, ...]


def largest_convolution(config: RunConfig) -> Convolution:
    """Return the convolution that most of the arithmetic of a step's forward passes goes into, without computing it."""
    total: Counter[Convolution] = Counter()

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        weight, stride = module.weight.shape, tuple(module.stride)
        sides = [s * (side - 1) + k for side, s, k in zip(output.shape[2:], stride, weight[2:], strict=True)]
        shape = (*inputs[0].shape[:2], *sides)
        total[Convolution(shape, tuple(weight), stride)] += output.numel() * weight[1:].numel()

    with torch.device("meta"):
        method = config.method.build(config.size)
        batch = Batch(*(torch.empty(config.batch_size, 3, *config.size) for _ in "ab"))
    for module in method.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    fakes: Fakes = {}
    for phase in method.phases:
        noise = tuple(tensor.to("meta") for tensor in phase.noise(batch, torch.Generator()))
        phase(batch, noise, fakes)
    return total.most_common(1)[0][0]


def flops(work: Callable[[], object]) -> int:
    """Floating-point operations of all convolutions and matrix products, by their definitions; a multiplication and an
    addition are two."""
    with by_definition(), FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()
