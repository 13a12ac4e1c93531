"""A mistyped name is answered with the one that was meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ": did you mean 'train'?" for the known word that is nearest, or nothing where none is near."""
    near = get_close_matches(word, list(known), n=1)
    return f": did you mean {near[0]}?" if near else ""
