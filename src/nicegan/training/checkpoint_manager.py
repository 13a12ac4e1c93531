"""What a run keeps on disk: checkpoints, the pointers to the newest and the best, and the model."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from nicegan.checkpoint import point_to, pointed_at, prune, remove_partial, resume_point
from nicegan.errors import TrainingError
from nicegan.methods.base import unique_state
from nicegan.model_file import ModelSpec, save_model
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.training.state import ADAM_STATES, TrainingState, save_state, total_bytes


class CheckpointManager:
    """Writes and finds a run's checkpoints; of several processes, the first one's.

    Args:
        folder: of the run, held by this process.
        config: of the run.
        why: what makes a checkpoint the best, for whoever reads the pointer to it.
    """

    def __init__(self, folder: RunFolder, config: RunConfig, why: str) -> None:
        self.folder, self.config, self.why = folder, config, why

    def weight(self, state: TrainingState) -> int:
        """Return the bytes that the run folder will hold in the end, without its sample grids."""
        averaged = total_bytes(unique_state(state.ema).values())
        learned = [parameter for phase in state.method.phases for parameter in phase.parameters()]
        checkpoint = total_bytes(state.tensors().values()) + ADAM_STATES * total_bytes(learned)
        return (self.config.keep + 1) * checkpoint + averaged  # the newest ones, the best one, and the model

    def save(self, state: TrainingState, processes: list[dict[str, Tensor]] | None = None) -> None:
        """Write a checkpoint, point at it, and remove old ones.

        Args:
            state: of the run.
            processes: what each process remembers besides the state, in order of rank.

        Raises:
            TrainingError: the folder has vanished, or the disk is full or cannot be written.
        """
        folder = self.folder
        folder.require()
        try:
            checkpoint = save_state(folder.checkpoints, state, processes)
            point_to(folder.latest, checkpoint, "the newest")
            self.publish(state, checkpoint)
            prune(folder.checkpoints, self.config.keep, {checkpoint, pointed_at(folder.best)})
        except OSError as problem:
            folder.require()
            raise TrainingError(
                f"cannot save in {folder.root}: {problem.strerror or problem}; what was saved before is whole: mend "
                f"that, and go on with --resume {folder.root}"
            ) from None

    def publish(self, state: TrainingState, checkpoint: Path) -> None:
        """If the checkpoint is the best, point at it; its averaged networks, or those of a run that has no best one
        yet, are the model."""
        best = state.best
        if best is None or best.step == state.step:
            save_model(self.folder.model, self._spec(state.step), state.ema)
        if best is not None and best.step == state.step:
            point_to(self.folder.best, checkpoint, self.why, score=best.score)

    def clean_up(self) -> Path | None:
        """Remove what kills have left; return where the run goes on, None for a new one."""
        self.folder.remove_partial()
        remove_partial(self.folder.checkpoints)
        return resume_point(self.folder)

    def _spec(self, step: int) -> ModelSpec:
        config = self.config
        origin = f"recipe {config.recipe}"
        return ModelSpec(
            method=config.method, image_size=config.size, value_range=config.value_range, step=step, origin=origin
        )
