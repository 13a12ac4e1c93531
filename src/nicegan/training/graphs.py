"""CUDA graphs: a phase's thousands of launches, recorded once and replayed as one.

The first calls of an update run eagerly. They are steps of the run like all others, and at once the warm-up that a
recording needs: algorithms are chosen, kernels compiled, optimizers have their states. A recording holds addresses, not
values: what changes from step to step is copied into tensors that stay (images, noise, learning rate), and what a
replay returns is overwritten by the next one.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from nicegan.methods.base import Fakes, Noise
from nicegan.shapes import Batch, Terms

WARM_UP_CALLS = 3
MOST_RECORDINGS = 2  # a recording may fail for what another thread did meanwhile


class Part(NamedTuple):
    """What one backward pass of a phase works on: images, random numbers, and what earlier phases left."""

    batch: Batch
    noise: Noise
    fakes: Fakes


Parts = list[Part]  # of one update, whose gradients are added up


class Update(NamedTuple):
    """What an update of one phase gives: its terms, numbers that are finite if all went well, and each part's fakes."""

    terms: Terms
    numbers: Tensor
    fakes: list[Fakes]


MakeUpdate = Callable[[Parts], Update]


class Recorder(Protocol):
    """Runs work as a warm-up, and records it."""

    def warm_up(self, work: Callable[[], Update]) -> Update:
        """Do the work now, in such a way that it can be recorded later."""
        ...

    def record(self, work: Callable[[], Update]) -> tuple[Callable[[], None], Update]:
        """Record the work without doing it; returns how to replay it, and where its results will be."""
        ...


class CudaRecorder:
    """Records into CUDA graphs that share one memory pool: their replays follow one another in one order."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    def warm_up(self, work: Callable[[], Update]) -> Update:
        current = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = work()
        current.wait_stream(self.stream)
        return result

    def record(self, work: Callable[[], Update]) -> tuple[Callable[[], None], Update]:
        graph = torch.cuda.CUDAGraph()
        # Other threads may pin memory meanwhile, and a garbage collection may free an older recording.
        gc.collect()
        gc.disable()
        try:
            with torch.cuda.graph(graph, self.pool, self.stream, capture_error_mode="thread_local"):
                result = work()
        except RuntimeError:
            self._end_of_random_numbers()
            raise
        finally:
            gc.enable()
        return graph.replay, result

    def _end_of_random_numbers(self) -> None:
        """Give the GPU's generator a state of its own again: a recording that failed leaves it in the recording's."""
        generator = torch.cuda.default_generators[self.stream.device.index or 0]
        generator.graphsafe_set_state(generator.clone_state())


class RecordedUpdate:
    """An update that is recorded after its warm-up, and replayed from then on.

    Parts of other shapes than the recorded ones are computed eagerly, and so is everything if recording fails twice.

    Args:
        make: the update; all that it reads and writes besides its parts stays at its address.
        recorder: how to record it.
    """

    def __init__(self, make: MakeUpdate, recorder: Recorder) -> None:
        self.make, self.recorder = make, recorder
        self.num_calls, self.num_failures = 0, 0
        self.problem: str | None = None
        self.held: list[Tensor] = []  # the tensors that a replay reads
        self.replay: Callable[[], None] | None = None
        self.result: Update | None = None

    def __call__(self, parts: Parts) -> Update:
        self.num_calls += 1
        given, _ = tree_flatten(parts)
        if self.problem or (self.held and not are_alike(given, self.held)):
            return self.make(parts)
        if self.num_calls <= WARM_UP_CALLS:
            return self.recorder.warm_up(lambda: self.make(parts))
        if self.replay is None and not self._record(parts):
            return self.make(parts)
        assert self.replay and self.result
        for held, tensor in zip(self.held, given, strict=True):
            held.copy_(tensor)
        self.replay()
        return self.result

    def _record(self, parts: Parts) -> bool:
        """Record the update of parts like these; returns whether that worked."""
        given, form = tree_flatten(parts)
        self.held = [tensor.clone() for tensor in given]
        held = tree_unflatten(self.held, form)
        try:
            self.replay, self.result = self.recorder.record(lambda: self.make(held))
        except RuntimeError as failure:  # of CUDA: an operation that cannot be recorded, or too little memory
            self.num_failures += 1
            if self.num_failures == MOST_RECORDINGS:
                self.problem = " ".join(str(failure).split())[:160] or type(failure).__name__
            return False
        return True


def are_alike(tensors: list[Tensor], others: list[Tensor]) -> bool:
    """Return whether both have the same shapes and types, in order."""
    if len(tensors) != len(others):
        return False
    pairs = zip(tensors, others, strict=True)
    return all(one.shape == other.shape and one.dtype == other.dtype for one, other in pairs)
