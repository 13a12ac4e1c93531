"""How a run ends, and who watches it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nicegan.training.state import TrainingState


class Outcome(NamedTuple):
    """How a run ended: done (exit code 0), or saved because it was asked to stop."""

    run: Path
    step: int
    exit_code: int


OnStep = Callable[[TrainingState], None]


def no_watch(state: TrainingState) -> None:
    """Watch a run as nobody does."""
