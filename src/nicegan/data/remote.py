"""Files beyond the file system, by URL, through fsspec: whatever it or a protocol's package raises becomes one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nicegan.errors import DataError


class RemoteFile:
    """A file at a URL, open for reading; like any binary file, but its errors are DataErrors that name it."""

    def __init__(self, url: str) -> None:
        self._url = url
        with _one_line(url):
            import fsspec

            opened = fsspec.open(url, "rb")
            self._file: Any = opened.open()  # pyright: ignore[reportAttributeAccessIssue]

    def read(self, size: int) -> bytes:
        with _one_line(self._url):
            return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        with _one_line(self._url):
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        with _one_line(self._url):
            return self._file.tell()

    def close(self) -> None:
        with _one_line(self._url):
            self._file.close()


def matching_urls(pattern: str) -> list[str]:
    """Return the URLs that a pattern with * matches, sorted; none if nothing is there."""
    with _one_line(pattern):
        import fsspec

        system, path = fsspec.core.url_to_fs(pattern)
        return sorted(map(system.unstrip_protocol, map(str, system.glob(path))))


@contextmanager
def _one_line(url: str) -> Iterator[None]:
    try:
        yield
    except ImportError as problem:
        reason = str(problem).partition("\n")[0]
        raise DataError(
            f"{url} cannot be opened: {reason} (pip install 'nicegan[stream]' brings fsspec itself)"
        ) from None
    except Exception as problem:  # noqa: BLE001  every protocol's package has errors of its own
        reason = str(problem).partition("\n")[0]
        raise DataError(f"{url} cannot be read: {type(problem).__name__}: {reason}") from None
