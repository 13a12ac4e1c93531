"""What does not wobble: bytes kept for the backward pass, and which convolution has most of the arithmetic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from nicegan.methods.base import Fakes
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
    seen: dict[int, tuple[StorageWeakRef, int, bool]] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in addresses:
            # A weak reference holds the storage's address, so that no other one gets it, but not its memory.
            seen[storage._cdata] = StorageWeakRef(storage), storage.nbytes(), tensor.shape in shapes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step()
    copies = sum(size for _, size, is_copy in seen.values() if is_copy)
    return Kept(sum(size for _, size, _ in seen.values()) - copies, copies)


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
