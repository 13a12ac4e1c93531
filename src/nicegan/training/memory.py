"""How much memory training takes at its peak, found without taking it: one step on tensors that have no data."""

from __future__ import annotations

import weakref
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nicegan.device import Machine, free_bytes, process_bytes
from nicegan.methods.base import Fakes, Method, Phase, total, unique_state
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch

ADAM_STATES = 2  # tensors as large as the weights: running mean and running square
CPU_FRAGMENTATION = 1.4  # memory of activations per byte of them, measured (docs/LOG.md)


class Need(NamedTuple):
    """Bytes at the peak of training: of what lasts from step to step, and of what a step adds to it."""

    lasting: int
    passing: int

    @property
    def total(self) -> int:
        return self.lasting + self.passing

    def __str__(self) -> str:
        return f"{self.total / 2**30:.1f} GiB"


class _Ledger(TorchDispatchMode):
    """Bytes of the tensors that are made while it is on and still alive, and the most there were at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._enter(tensor.untyped_storage())
        return result

    def _enter(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self.known:
            self.known.add(key)
            self.alive += storage.nbytes()
            self.peak = max(self.peak, self.alive)
            weakref.finalize(storage, self._leave, key, storage.nbytes())

    def _leave(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.alive -= size


def predict(config: RunConfig, machine: Machine) -> Need:
    """Return what training with these settings will need on this machine, the process itself included.

    Within 15 % of what was measured on CPUs (benchmarks/results/growth_cpu.md). On a GPU: of what PyTorch allocates.
    """
    with FakeTensorMode(), torch.device(machine.device):
        method = config.method.build(config.size)
        images = Batch(*(torch.empty(config.batch_size, 3, *config.size) for _ in "ab"))
        fakes: Fakes = {}
        peaks = [_passing(method, phase, images, fakes, machine) for phase in method.phases]
        lasting = _lasting(method)  # with what the phases have begun to remember
    if machine.device.type == "cpu":
        lasting += process_bytes()
    return Need(lasting, max(peaks))


def _lasting(method: Method) -> int:
    """Weights, their averages, and the optimizers' states."""
    tensors = [*unique_state(method).values(), *unique_state(method.translation_model()).values()]
    tensors += method.process_state().values()
    learned = [parameter for phase in method.phases for parameter in phase.parameters()]
    return _size(tensors) + ADAM_STATES * _size(learned)


def _passing(method: Method, phase: Phase, images: Batch, fakes: Fakes, machine: Machine) -> int:
    """Gradients, and everything else alive at the worst moment of a phase."""
    noise = tuple(tensor.to(images.a.device) for tensor in phase.noise(images, torch.Generator()))
    remembered = _size(method.process_state().values())
    with _Ledger() as ledger:
        with machine.autocast():
            terms = phase(images, noise, fakes)
        total(terms).backward()
    gradients = _size(phase.parameters())
    for parameter in phase.parameters():
        parameter.grad = None
    peak = ledger.peak - (_size(method.process_state().values()) - remembered)  # what stays is counted as lasting
    if machine.device.type != "cpu":
        return peak
    return gradients + int(CPU_FRAGMENTATION * max(0, peak - gradients))


def _size(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def shortage(config: RunConfig, machine: Machine) -> str | None:
    """Return what will not fit, and the nearest settings that would; None if all fits or the machine does not tell."""
    free = free_bytes(machine.device)
    if free is None or _generous(config, machine) <= free or (need := predict(config, machine)).total <= free:
        return None
    text = f"training will need about {need} and {free / 2**30:.1f} GiB are free"
    smaller = list(_smaller(config))
    first = bisect_left(smaller, True, key=lambda one: predict(one[1], machine).total <= free)  # noqa: FBT003
    if first < len(smaller):
        flag, fits = smaller[first]
        return f"{text}: {flag} would fit ({predict(fits, machine)})"
    return f"{text}, and no smaller batch or image would fit: try a smaller --network.base-channels"


def _generous(config: RunConfig, machine: Machine) -> int:
    """Return bytes that are surely enough, by a quick rule: some twice the need of the recipes tried."""
    with torch.device("meta"):
        method = config.method.build(config.size)
        images = Batch(*(torch.empty(config.batch_size, 3, *config.size) for _ in "ab"))
    own = process_bytes() if machine.device.type == "cpu" else 0
    outputs = _outputs(method, images)
    return 2**29 + own + 2 * outputs + 2 * _lasting(method)  # in this order: with what the phases remember


def _outputs(method: Method, images: Batch) -> int:
    """Return the bytes of all layers' outputs in the larger of the phases, on tensors without data."""
    sizes: list[int] = []

    def count(module: nn.Module, inputs: object, output: object) -> None:
        sizes[-1] += _size(tensor for tensor in tree_leaves(output) if isinstance(tensor, Tensor))

    for module in method.modules():
        if not any(module.children()):
            module.register_forward_hook(count)
    fakes: Fakes = {}
    for phase in method.phases:
        sizes.append(0)
        noise = tuple(tensor.to("meta") for tensor in phase.noise(images, torch.Generator()))
        phase(images, noise, fakes)
    return max(sizes)


def _smaller(config: RunConfig) -> Iterator[tuple[str, RunConfig]]:
    """Half the batch, and half of that, to one image; then smaller images, as flags and as settings."""
    batch_size = config.batch_size
    while batch_size > 1:
        batch_size //= 2
        yield f"--batch-size {batch_size}", config.model_copy(update={"batch_size": batch_size})
    size, rule = config.size, config.method.training_sizes()
    while True:
        height, width = (side * 3 // 4 // rule.multiple * rule.multiple for side in size)
        size = height, width
        if rule.problem(size):
            return
        flags = f"--image-size {' '.join(map(str, size if height != width else size[:1]))}"
        flags += " --batch-size 1" if config.batch_size > 1 else ""
        yield flags, config.model_copy(update={"batch_size": 1, "image_size": size})
