"""How a run ends, and who watches it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.score_summary import score_summary
from nicegan.training.state import TrainingState


class Outcome(NamedTuple):
    """How a run ended: done (exit code 0), or saved because it was asked to stop."""

    run: Path
    step: int
    exit_code: int


OnStep = Callable[[TrainingState], None]


def no_watch(state: TrainingState) -> None:
    """Watch a run as nobody does."""


def last_words(
    state: TrainingState, config: RunConfig, folder: RunFolder, score: str, signal_number: int
) -> Iterator[str]:
    """Say what came out of a run, and how to go on with one that was stopped.

    Args:
        state: at its end.
        config: of the run.
        folder: of the run.
        score: what its score is called.
        signal_number: of the signal that stopped it; 0 for none.
    """
    if state.best:
        yield f"best: step {state.best.step}, {score_summary(folder.read_metrics(), score)}"
    if state.step >= config.steps:
        return
    command = f"nicegan train --resume {shlex.quote(str(folder.root))}"
    if signal_number:
        yield f"stopped and saved at step {state.step}; go on with: {command}"
    elif state.best:
        yield (
            f"stopped at step {state.step}: {state.num_worse} scores in a row were no better than that of step "
            f"{state.best.step}; go on all the same with: {command} --patience 0"
        )
