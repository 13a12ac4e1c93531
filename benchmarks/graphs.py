"""Where a step on a GPU goes: eager against recorded, one stream against two, with and without the Triton kernels.

    python benchmarks/graphs.py [PRECISION ...]    (tf32 and bfloat16 if none is named)

Prints milliseconds a step (median of three rounds) and the peak of each variant at 256 px, then the kernels that take
most of a recorded step. On two streams the kernels' times add up to more than the step's.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from nicegan.device import set_up_machine
from nicegan.methods.nicegan import phases
from nicegan.nn import kernels
from nicegan.recipes import recipe
from nicegan.shapes import Batch
from nicegan.training.graphs import WARM_UP_CALLS
from nicegan.training.state import new_state
from nicegan.training.step import Stepper

NUM_KERNELS = 40


def stepper_of(precision: str, *, cuda_graphs: bool, batch_size: int = 1) -> Callable[[], object]:
    """A step of `nicegan` at 256 px on images of noise, warmed up and recorded."""
    config = recipe("nicegan", device="cuda", precision=precision, cuda_graphs=cuda_graphs, batch_size=batch_size)
    machine = set_up_machine("cuda", precision)
    stepper = Stepper(new_state(config, machine.device), config, machine)
    batch = Batch(*(torch.rand(batch_size, 3, *config.size, device="cuda") * 2 - 1 for _ in "ab"))
    for _ in range(WARM_UP_CALLS + 2):
        stepper(batch)
    print(f"  {stepper.graphs_described()}")
    return lambda: stepper(batch)


def milliseconds(step: Callable[[], object], repeats: int = 15) -> float:
    """The median of three rounds."""
    rounds = []
    for _ in range(3):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(repeats):
            step()
        torch.cuda.synchronize()
        rounds.append((time.perf_counter() - start) / repeats * 1e3)
    return statistics.median(rounds)


@contextmanager
def replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    """Within, another object under a module's name."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def measure(name: str, precision: str, **settings: Any) -> Callable[[], object]:
    """Print what a variant takes; returns its step."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    step = stepper_of(precision, **settings)
    took = milliseconds(step)
    peak = torch.cuda.max_memory_allocated() / 2**30
    print(f"{name:30} {precision:9} {took:7.2f} ms {1e3 / took:6.1f} steps/s {peak:5.2f} GiB", flush=True)
    return step


def largest_kernels(step: Callable[[], object]) -> None:
    """Print the kernels that take most of a step."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        for _ in range(3):
            step()
        torch.cuda.synchronize()
    events = [event for event in profiler.key_averages() if event.self_device_time_total > 0]
    events.sort(key=lambda event: -event.self_device_time_total)
    total, launches = sum(event.self_device_time_total for event in events), sum(event.count for event in events)
    print(f"  {total / 3e3:.2f} ms of kernels, {launches / 3:.0f} launches a step")
    for event in events[:NUM_KERNELS]:
        print(f"  {event.self_device_time_total / 3:8.1f} us {event.count / 3:6.1f}x  {event.key[:100]}")


def main() -> None:
    """Measure every variant."""
    print(torch.__version__, torch.cuda.get_device_name(), "kernels:", kernels.problem() or "on")
    for precision in sys.argv[1:] or ("tf32", "bfloat16"):
        largest_kernels(measure("recorded", precision, cuda_graphs=True))
        with replaced(phases, "both_ways", lambda one, other: one() | other()):
            measure("recorded, one stream", precision, cuda_graphs=True)
        with replaced(kernels, "problem", lambda: "off"):
            measure("recorded, no Triton kernels", precision, cuda_graphs=True)
        measure("recorded, batch 8", precision, cuda_graphs=True, batch_size=8)
        measure("eager", precision, cuda_graphs=False)


if __name__ == "__main__":
    main()
