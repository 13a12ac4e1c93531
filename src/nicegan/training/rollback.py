"""What a run does when its numbers go wrong: write down where, then stop, or go back to the last checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

from nicegan.checkpoint import resume_point
from nicegan.data.training_data import TrainingData
from nicegan.distributed import ProcessGroup
from nicegan.errors import TrainingError
from nicegan.files import write_atomically
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.training.finite import NotFinite
from nicegan.training.state import TrainingState


class Rollback:
    """Decides what follows a wrong number.

    Args:
        folder: of the run.
        config: of the run; says whether and how often it may go back.
        processes: those that train together, which must all decide alike.
    """

    def __init__(self, folder: RunFolder, config: RunConfig, processes: ProcessGroup) -> None:
        self.folder, self.config, self.processes = folder, config, processes

    def record(self, problem: NotFinite, state: TrainingState, data: TrainingData) -> tuple[NotFinite, Path | None]:
        """Write problem.json; return what all processes saw, and the checkpoint to go back to (None: the beginning).

        Raises:
            TrainingError: the run must not go back, or has done so often enough.
        """
        seen = [name for names in self.processes.all_gather(problem.where) for name in names]
        problem = NotFinite(problem.step, list(dict.fromkeys(seen)))
        goes_back = self.config.on_nan == "rollback" and state.rollbacks < self.config.max_rollbacks
        facts = {
            "step": problem.step,
            "where": problem.where,
            "files": self._files_of(problem.step, state, data),
            "rollbacks": state.rollbacks + goes_back,
        }
        content = (json.dumps(facts, indent=1) + "\n").encode()
        self.processes.on_first(lambda: write_atomically(self.folder.problem, content))
        checkpoint = self.processes.on_first(lambda: resume_point(self.folder))
        if not goes_back:
            self.processes.on_first(lambda: fail(self._failure_message(problem, state.rollbacks, checkpoint)))
        return problem, checkpoint

    def _files_of(self, step: int, state: TrainingState, data: TrainingData) -> dict[str, list[str]]:
        """Return the images of a step, counted from 1, of all processes."""
        seen = state.samples_seen - (state.step + 1 - step) * state.images_per_step * self.processes.size
        of_all = self.processes.all_gather(self.processes.on_each(lambda: data.names(seen, state.rollbacks)))
        return {domain: [name for names in of_all for name in names[domain]] for domain in "AB"}

    def _failure_message(self, problem: NotFinite, rollbacks: int, checkpoint: Path | None) -> str:
        """Return what went wrong, what is left, and what to do."""
        kept = f"the last checkpoint is {checkpoint}" if checkpoint else "no checkpoint was written yet"
        names = f"{self.folder.problem} names the images"
        way_out = "start a new --out with a smaller --optimizer.learning-rate or --precision float32"
        if self.config.on_nan == "rollback":
            way_out = f"It went back {rollbacks} times already (--max-rollbacks): {way_out}"
        else:
            way_out = f"Go on with --on-nan rollback, or {way_out}"
        return f"{problem}; {kept}, and {names}. {way_out}"


def fail(words: str) -> None:
    """End a run that cannot go on."""
    raise TrainingError(words)
