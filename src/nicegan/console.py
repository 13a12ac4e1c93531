"""Lines for people."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console


class LastingStream:
    """A text stream whose writing never fails: work of hours does not end because nobody reads its words.

    Once its reader has gone, or its disk is full, further words are dropped; what its encoding cannot say is escaped.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write what can be written; returns the length of the text."""
        try:
            self.stream.write(text)
        except UnicodeEncodeError:
            encoding = self.stream.encoding or "ascii"
            return self.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except (OSError, ValueError):
            self._drop()
        return len(text)

    def flush(self) -> None:
        """Flush, if anybody still reads."""
        try:
            self.stream.flush()
        except (OSError, ValueError):
            self._drop()

    def _drop(self) -> None:
        """Lead the stream to nowhere, so that what its buffer holds does not fail again when the process ends."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def say(console: Console, text: str) -> None:
    """Print a line as it is: not wrapped, so that a command can be copied, and no brackets taken for colours."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
