"""What a run keeps on disk: checkpoints, the pointers to the newest and the best, and the model."""

from __future__ import annotations

from pathlib import Path

from nicegan.config import RunConfig
from nicegan.errors import TrainingError
from nicegan.model_file import ModelCard, save_model
from nicegan.run_folder import RunFolder
from nicegan.training.state import TrainingState, point_to, pointed_at, prune, save_checkpoint, standing, sweep


class Keeper:
    """Writes and finds a run's checkpoints; of several processes, the first one's.

    Args:
        folder: of the run, held by this process.
        config: of the run.
        why: what makes a checkpoint the best, for whoever reads the pointer to it.
    """

    def __init__(self, folder: RunFolder, config: RunConfig, why: str) -> None:
        self.folder, self.config, self.why = folder, config, why

    def save(self, state: TrainingState) -> None:
        """Write a checkpoint, point at it, and remove old ones.

        Raises:
            TrainingError: the folder has vanished, or the disk is full or cannot be written.
        """
        folder = self.folder
        folder.require()
        try:
            place = save_checkpoint(folder.checkpoints, state)
            point_to(folder.latest, place, "the newest")
            self.publish(state, place)
            prune(folder.checkpoints, self.config.keep, {place, pointed_at(folder.best)})
        except OSError as problem:
            folder.require()
            raise TrainingError(
                f"cannot save in {folder.root}: {problem.strerror or problem}; what was saved before is whole: mend "
                f"that, and go on with --resume {folder.root}"
            ) from None

    def publish(self, state: TrainingState, place: Path) -> None:
        """If the checkpoint at `place` is the best, point at it; its averaged networks, or those of a run that has no
        best one yet, are the model."""
        best = state.best
        if best is None or best.step == state.step:
            save_model(self.folder.model, self._card(state.step), state.average)
        if best is not None and best.step == state.step:
            point_to(self.folder.best, place, self.why, score=best.score)

    def find(self) -> Path | None:
        """Remove what kills have left; where the run goes on, None for a new one."""
        self.folder.sweep()
        sweep(self.folder.checkpoints)
        return standing(self.folder.latest, self.folder.checkpoints)

    def _card(self, step: int) -> ModelCard:
        config = self.config
        return ModelCard(network=config.network, image_size=config.size, step=step, origin=f"recipe {config.recipe}")
