"""Lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def say(console: Console, text: str) -> None:
    """Print a line as it is: not wrapped, so that a command can be copied, and no brackets taken for colours."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
