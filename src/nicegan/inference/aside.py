"""What a computation holds while it waits is put aside: from a GPU into main memory, from there into a file."""

from __future__ import annotations

import ctypes
import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nicegan.errors import DataError

SMALLEST = 1 << 20  # bytes that are worth it; what tiles tell each other is smaller
ON_DISK = Path("/var/tmp")  # /tmp may be memory


class Held(TorchDispatchMode):
    """Knows the memory that was taken while it is on, and is still held."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {storage._cdata for storage in _storages((args, kwargs))}
        for storage in _storages(result):
            if storage._cdata not in given:  # a view of a weight is not ours to put aside
                self._made[storage._cdata] = weakref.ref(storage)
        return result

    def storages(self) -> list[torch.UntypedStorage]:
        """Return what is held, but for small things."""
        alive = {key: storage for key, ref in self._made.items() if (storage := ref()) is not None}
        self._made = {key: self._made[key] for key in alive}
        return [storage for storage in alive.values() if storage.nbytes() >= SMALLEST]


def _storages(values: Any) -> list[torch.UntypedStorage]:
    return [value.untyped_storage() for value in tree_leaves(values) if isinstance(value, Tensor)]


class Aside:
    """Where memory is put aside. The file has no name: nothing is left of it when the process ends, however it ends."""

    def __init__(self) -> None:
        self._file: Any = None
        self._free: dict[int, list[int]] = {}  # offsets by size
        self._end = 0

    @contextmanager
    def without(self, held: Held) -> Iterator[None]:
        """Give back what is held while the context lasts; its values are there again afterwards.

        Raises:
            DataError: there is no room for the file.
        """
        away = [(storage, storage.nbytes(), self._put(storage)) for storage in held.storages()]
        for storage, *_ in away:
            storage.resize_(0)
        yield
        for storage, size, kept in away:
            storage.resize_(size)
            self._fetch(storage, kept)

    def _put(self, storage: torch.UntypedStorage) -> Any:
        """Keep the values; returns what fetches them."""
        if storage.device.type != "cpu":
            return storage.cpu()
        folder = tempfile.gettempdir() if "TMPDIR" in os.environ or not ON_DISK.is_dir() else ON_DISK
        try:
            return self._write(storage, folder)
        except OSError as problem:
            raise DataError(
                f"{folder}, where tiles that wait are put aside: {problem.strerror or problem}; name one with more "
                "room in the variable TMPDIR"
            ) from None

    def _write(self, storage: torch.UntypedStorage, folder: str | Path) -> int:
        """Write the values to the file; returns where."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        free = self._free.get(storage.nbytes())
        offset = free.pop() if free else self._end
        self._end = max(self._end, offset + storage.nbytes())
        self._file.seek(offset)
        content = memoryview(_content(storage)).cast("B")
        while content:
            content = content[self._file.write(content) :]
        return offset

    def _fetch(self, storage: torch.UntypedStorage, kept: Any) -> None:
        if isinstance(kept, torch.UntypedStorage):
            storage.copy_(kept)
            return
        self._file.seek(kept)
        content = memoryview(_content(storage)).cast("B")
        while content:
            content = content[self._file.readinto(content) :]
        self._free.setdefault(storage.nbytes(), []).append(kept)

    def close(self) -> None:
        """Remove the file."""
        if self._file is not None:
            self._file.close()


def _content(storage: torch.UntypedStorage) -> ctypes.Array[ctypes.c_char]:
    """Return the bytes themselves; as an array of NumPy the storage could not be resized any more."""
    return (ctypes.c_char * storage.nbytes()).from_address(storage.data_ptr())
