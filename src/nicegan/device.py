"""Where a run computes, and in which precision: chosen once, and said in one line."""

from __future__ import annotations

import ctypes
import os
import platform
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from nicegan.errors import ConfigError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # the names of mallopt(3)


class Machine(NamedTuple):
    """A device and an arithmetic."""

    device: torch.device
    precision: str

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context of a phase's forward pass."""
        if self.precision == "bfloat16":
            # A GPU's two directions run on two streams, and autocast hands its cached casts from one to the other.
            return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=self.device.type != "cuda")
        return nullcontext()

    def __str__(self) -> str:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else processor_name()
        count = torch.get_num_threads()
        threads = f", {count} {'thread' if count == 1 else 'threads'}" if self.device.type == "cpu" else ""
        is_slow = self.precision == "bfloat16" and self.device.type == "cpu" and bfloat16_cost() > 1
        slow = f" ({bfloat16_cost():.1f} times slower here than float32)" if is_slow else ""
        return f"{name}{threads}, {self.precision}{slow}"


@cache
def bfloat16_cost() -> float:
    """Return the time of one real layer in bfloat16 over that in float32 on this CPU: the quickest of five of each.

    A processor's list of instructions does not tell it: one without bfloat16 units took 1.4 times as long as in
    float32, and some that have them take longer with one thread.
    """
    x, weight = torch.ones(1, 128, 32, 32), torch.ones(128, 128, 3, 3)  # a query takes no random numbers
    x, weight = (tensor.contiguous(memory_format=torch.channels_last) for tensor in (x, weight))
    seconds: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    for _ in range(6):  # taking turns; the first of each warms up
        for dtype, times in seconds.items():
            image, kernel = x.to(dtype), weight.to(dtype)
            start = time.perf_counter()
            torch.nn.functional.conv2d(image, kernel)
            times.append(time.perf_counter() - start)
    return min(seconds[torch.bfloat16][1:]) / min(seconds[torch.float32][1:])


def processor_name() -> str:
    """Return the CPU's model where the system tells, else its architecture."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.is_file() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def keep_freed_memory() -> None:
    """Let glibc keep the memory that tensors give back, instead of returning it to the system after every operation.

    It changes the whole process, so training and the commands ask for it, and `nicegan.load` does not.

    A step takes and frees the same gigabytes each time, and the system clears every page that it hands out again.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, -1)


def return_freed_memory() -> None:
    """Let glibc give the memory of every larger tensor back to the system as soon as it is freed.

    It changes the whole process. Without it, computations that take turns fill a heap with holes (docs/LOG.md).
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_MAX, 1 << 16)
        library.mallopt(M_MMAP_THRESHOLD, 1 << 20)
        library.mallopt(M_TRIM_THRESHOLD, 1 << 20)


def make_deterministic() -> None:
    """Let a GPU give the same bits every time; to be called before its first use."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)  # noqa: FBT003
    torch.backends.cudnn.benchmark = False


def set_up_machine(device: str, precision: str, num_threads: int = 0) -> Machine:
    """Resolve "auto"; switch TensorFloat-32 on or off; set the number of CPU threads unless it is 0.

    Raises:
        ConfigError: a device that is not there, or a precision that it does not have.
    """
    chosen = use_device(device)
    if num_threads:
        torch.set_num_threads(num_threads)
    if precision == "auto":
        precision = _best_on_gpu() if chosen.type == "cuda" else "float32"
    if precision == "tf32" and chosen.type != "cuda":
        raise ConfigError(f"precision tf32 is for NVIDIA GPUs, and this run is on {chosen.type}: use float32 or auto")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
    return Machine(chosen, precision)


def _best_on_gpu() -> str:
    """Return bfloat16 where the GPU has it in hardware: as good as TensorFloat-32 within the spread of seeds."""
    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "tf32"


@contextmanager
def full_precision() -> Iterator[None]:
    """Within, a GPU computes in float32, whatever the process does otherwise: scores are compared across machines."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def use_device(device: str) -> torch.device:
    """Return the device of this name; "auto" is an NVIDIA GPU if there is one.

    Raises:
        ConfigError: a device that is not there; names those there are.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and "LOCAL_RANK" in os.environ:  # under torchrun each process has a GPU of its own
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        chosen = torch.device(device)
        torch.ones(1, device=chosen).item()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError):
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise ConfigError(f"device {device!r} cannot be used here; there is {', '.join(there)}") from None
    if chosen.type == "cuda" and chosen.index is not None:
        torch.cuda.set_device(chosen)  # whoever waits for "the GPU" means this one
    return chosen


def forget_peak(device: torch.device) -> None:
    """Let `peak_bytes` speak of what follows, where the system can: several runs may share a process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes(device: torch.device) -> int:
    """Return the most memory that this process has held, since `forget_peak`: the GPU's, or its own."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.is_file():  # unlike ru_maxrss, not that of whoever started this process
        return 1024 * int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1])
    if platform.system() == "Windows":
        return process_bytes()
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)


def process_bytes() -> int:
    """Memory that this process holds now; 0 where the system does not tell."""
    listing = Path("/proc/self/statm")
    return int(listing.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if listing.is_file() else 0


def free_bytes(device: torch.device) -> int | None:
    """Memory that this process can have in all: what it holds and what is free; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    listing = Path("/proc/meminfo")
    if device.type != "cpu" or not listing.is_file():
        return None
    available = next(line for line in listing.read_text().splitlines() if line.startswith("MemAvailable:"))
    free = int(available.split()[1]) * 1024
    limit = Path("/sys/fs/cgroup/memory.max")  # of a container
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        free = min(free, int(text) - int(limit.with_name("memory.current").read_text()))
    return free + process_bytes()
