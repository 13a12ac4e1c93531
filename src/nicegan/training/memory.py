"""How much memory training takes at its peak, found without taking it: one step on tensors that have no data."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves

from nicegan.device import Machine, free_bytes, process_bytes
from nicegan.ledger import Ledger
from nicegan.methods.base import Fakes, Method, Phase, total, unique_state
from nicegan.nn import winograd
from nicegan.nn.conv import ReflectConv2d
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch
from nicegan.training.state import ADAM_STATES, total_bytes

CPU_FRAGMENTATION = 1.36  # memory of activations per byte of them, measured (docs/LOG.md)


class Need(NamedTuple):
    """Bytes at the peak of training: of what lasts from step to step, and of what a step adds to it."""

    lasting: int
    passing: int

    @property
    def total(self) -> int:
        return self.lasting + self.passing

    def __str__(self) -> str:
        return f"{self.total / 2**30:.1f} GiB"


def predict(config: RunConfig, machine: Machine) -> Need:
    """Return what training with these settings will need on this machine, the process itself included.

    Within 15 % of what was measured on CPUs (benchmarks/results/growth_cpu.md). On a GPU: of what PyTorch allocates.
    """
    with FakeTensorMode(), torch.device(machine.device):
        method = config.method.build(config.size)
        transformed = layers_by_winograd(method)
        images = Batch(*(torch.empty(config.batch_size, 3, *config.size) for _ in "ab"))
        fakes: Fakes = {}
        peaks = [_passing(method, phase, images, fakes, machine) for phase in method.phases]
        lasting = _lasting(method)  # with what the phases have begun to remember
    if machine.device.type == "cpu":
        lasting += process_bytes()
    uses_winograd = (machine.device.type, machine.precision) == ("cpu", "float32")
    kernels = sum(winograd.transformed_bytes(layer.weight) for layer in transformed if uses_winograd)
    return Need(lasting, max(peaks) + kernels)


def _lasting(method: Method) -> int:
    """Weights, their averages, and the optimizers' states."""
    tensors = [*unique_state(method).values(), *unique_state(method.translation_model()).values()]
    tensors += method.process_state().values()
    with_optimizer = [phase for phase in method.phases if phase.optimizer_name() == phase.name]
    learned = [parameter for phase in with_optimizer for parameter in phase.parameters()]
    return total_bytes(tensors) + ADAM_STATES * total_bytes(learned)


def _passing(method: Method, phase: Phase, images: Batch, fakes: Fakes, machine: Machine) -> int:
    """Gradients, and everything else alive at the worst moment of a phase."""
    noise = tuple(tensor.to(images.a.device) for tensor in phase.noise(images, torch.Generator()))
    remembered = total_bytes(method.process_state().values())
    with Ledger() as ledger:
        with machine.autocast():
            terms = phase(images, noise, fakes)
        total(terms).backward()
    gradients = total_bytes(phase.parameters())
    for parameter in phase.parameters():
        parameter.grad = None
    peak = ledger.peak - (total_bytes(method.process_state().values()) - remembered)  # what stays is counted as lasting
    if machine.device.type != "cpu":
        return peak
    return gradients + int(CPU_FRAGMENTATION * max(0, peak - gradients))


def layers_by_winograd(method: nn.Module) -> set[ReflectConv2d]:
    """Return a set that each pass through the method adds its layers to whose kernels a step on a CPU transforms."""
    found: set[ReflectConv2d] = set()

    def look(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, ReflectConv2d)
        height, width = (side + 2 * layer.reach for side in inputs[0].shape[2:])
        if winograd.is_large(layer.weight, layer.stride, height * width):
            found.add(layer)

    for layer in method.modules():
        if type(layer) is ReflectConv2d:
            layer.register_forward_pre_hook(look)
    return found


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
        sizes[-1] += total_bytes(tensor for tensor in tree_leaves(output) if isinstance(tensor, Tensor))

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
