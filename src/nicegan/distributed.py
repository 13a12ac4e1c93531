"""Processes that work together, started by torchrun, or one alone. Whoever shares work asks a `ProcessGroup`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from inspect import signature
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from nicegan.errors import ConfigError, ElsewhereError, NiceganError

T = TypeVar("T")
LONGEST_WAIT = timedelta(days=1)  # while the first process decodes images; torchrun ends the others when one dies
has_joined = False  # from then on processes can make mistakes that others do not make


class ProcessGroup:
    """One process alone: the first of one, which waits for nobody."""

    rank = 0
    size = 1

    @property
    def is_first(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def shard(self, items: Sequence[T]) -> Sequence[T]:
        """This process's part of work that every process knows: every `size`-th item."""
        return items[self.rank :: self.size]

    def all_gather(self, value: T) -> list[T]:
        """Return the value of every process, in order of rank; plain data only."""
        return [value]

    def on_first(self, action: Callable[[], T]) -> T:
        """Return what the first process's action gives, told to all; if it fails, every process does."""
        return action()

    def on_first_here(self, action: Callable[[], T]) -> T:
        """The action of every process, of each machine's first one before the others: what it leaves serves them."""
        return action()

    def on_each(self, action: Callable[[], T]) -> T:
        """Return the action of every process; if one fails, every process does."""
        return action()

    def all_reduce_sum(self, tensor: Tensor) -> Tensor:
        """Return the tensor added up over all processes."""
        return tensor

    def all_reduce_max(self, tensor: Tensor) -> Tensor:
        """Return the largest values over all processes."""
        return tensor

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return the module, its gradients averaged over all processes in each backward pass."""
        return module

    def no_sync(self, module: nn.Module) -> AbstractContextManager[Any]:
        """Within, a module made by `wrap` keeps its gradients to itself, to add up several batches."""
        return nullcontext()


class LaunchedGroup(ProcessGroup):
    """The processes that torchrun started, on one machine or several."""

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.is_first_here = os.environ["LOCAL_RANK"] == "0"

    def all_gather(self, value: T) -> list[T]:
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def on_first(self, action: Callable[[], T]) -> T:
        answer = self._attempt(action if self.is_first else None)
        return self.all_gather(answer)[0]  # pyright: ignore[reportReturnType]

    def on_first_here(self, action: Callable[[], T]) -> T:
        early = self._attempt(action if self.is_first_here else None)
        late = self._attempt(None if self.is_first_here else action)
        return early if self.is_first_here else late  # pyright: ignore[reportReturnType]

    def on_each(self, action: Callable[[], T]) -> T:
        return self._attempt(action)  # pyright: ignore[reportReturnType]

    def _attempt(self, action: Callable[[], T] | None) -> T | None:
        """This process's part, if it has one; all fail if one does, and that one says why."""
        answer = problem = None
        try:
            answer = action() if action else None
        except (NiceganError, OSError) as caught:
            problem = caught
        failed = self.all_gather(problem is not None)
        if problem is not None and failed.index(True) == self.rank:
            raise problem
        if any(failed):
            raise ElsewhereError(f"process {failed.index(True)} has failed")
        return answer

    def all_reduce_sum(self, tensor: Tensor) -> Tensor:
        dist.all_reduce(tensor)
        return tensor

    def all_reduce_max(self, tensor: Tensor) -> Tensor:
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return tensor

    def wrap(self, module: nn.Module) -> nn.Module:
        # Buffers are the vectors of spectral norms: equal weights make them equal everywhere.
        known = signature(DistributedDataParallel.__init__).parameters
        buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"  # torch < 2.13
        settings: dict[str, Any] = {"gradient_as_bucket_view": True, buffers: False}
        return DistributedDataParallel(module, **settings)

    def no_sync(self, module: nn.Module) -> AbstractContextManager[Any]:
        assert isinstance(module, DistributedDataParallel)
        return module.no_sync()


ALONE = ProcessGroup()


def num_launched() -> int:
    """Return how many processes torchrun has started; 1 without it."""
    size = os.environ.get("WORLD_SIZE", "1") if "LOCAL_RANK" in os.environ else "1"
    if not size.isdecimal():
        raise ConfigError(f"WORLD_SIZE is {size!r}, not a number of processes: start with torchrun, which sets it")
    return int(size)


def launched_rank() -> int:
    """Return the place of this process among those that torchrun has started; 0 without it."""
    return int(os.environ["RANK"]) if num_launched() > 1 else 0


@contextmanager
def joined() -> Iterator[ProcessGroup]:
    """The group of this process, for as long as the context lasts."""
    if num_launched() == 1:
        yield ALONE
        return
    global has_joined
    store, rank, size = next(rendezvous("env://"))
    if os.environ.get("GROUP_WORLD_SIZE") == "1":  # torchrun hands on one store, with the addresses of those that died
        store = PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=LONGEST_WAIT)
    has_joined = True
    try:
        yield LaunchedGroup()
    finally:
        dist.destroy_process_group()
