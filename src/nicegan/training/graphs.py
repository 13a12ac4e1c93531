"""CUDA graphs: a phase's thousands of launches, recorded once and replayed as one.

The first calls of an update run eagerly. They are steps of the run like all others, and at once the warm-up that a
recording needs: algorithms are chosen, kernels compiled, optimizers have their states. A recording holds addresses, not
values: what changes from step to step is copied into tensors that stay (images, learning rate), and what a replay
returns is overwritten by the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from nicegan.methods.base import Batch
from nicegan.shapes import Terms

WARM_UP_CALLS = 3


class Update(NamedTuple):
    """What an update of one phase gives: its terms, and numbers that are finite if all went well."""

    terms: Terms
    numbers: Tensor


MakeUpdate = Callable[[Batch], Update]


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
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            result = work()
        return graph.replay, result


class RecordedUpdate:
    """An update that is recorded after its warm-up, and replayed from then on.

    Batches of another shape than the recorded one are computed eagerly, and so is everything if recording fails.

    Args:
        make: the update; all that it reads and writes besides the batch stays at its address.
        recorder: how to record it.
    """

    def __init__(self, make: MakeUpdate, recorder: Recorder) -> None:
        self.make, self.recorder = make, recorder
        self.num_calls = 0
        self.problem: str | None = None
        self.batch: Batch | None = None
        self.replay: Callable[[], None] | None = None
        self.result: Update | None = None

    def __call__(self, batch: Batch) -> Update:
        self.num_calls += 1
        if self.problem or (self.batch and not _are_alike(batch, self.batch)):
            return self.make(batch)
        if self.num_calls <= WARM_UP_CALLS:
            return self.recorder.warm_up(lambda: self.make(batch))
        if self.replay is None and not self._record(batch):
            return self.make(batch)
        assert self.batch and self.replay and self.result
        for kept, given in zip(self.batch, batch, strict=True):
            kept.copy_(given)
        self.replay()
        return self.result

    def _record(self, batch: Batch) -> bool:
        """Record the update of batches like this one; returns whether that worked."""
        self.batch = held = Batch(*(image.clone() for image in batch))
        try:
            self.replay, self.result = self.recorder.record(lambda: self.make(held))
        except RuntimeError as failure:  # of CUDA: an operation that cannot be recorded, or too little memory
            self.problem = " ".join(str(failure).split())[:160] or type(failure).__name__
            return False
        return True


def _are_alike(batch: Batch, other: Batch) -> bool:
    return all(one.shape == two.shape and one.dtype == two.dtype for one, two in zip(batch, other, strict=True))
