"""Whether a run goes on with the images that its checkpoint has seen, and what follows if it does not."""

from __future__ import annotations

import zlib

from nicegan.data.training_data import TrainingData
from nicegan.training.checkpoint_score import CheckpointScore
from nicegan.training.state import TrainingState


def note_images(state: TrainingState, data: TrainingData, score: CheckpointScore) -> None:
    """Write down which images the run trains on and scores, and where in them it stands."""
    state.position, state.data = data.position(), data.identity
    state.contents, state.scored = data.contents, scored_identity(score)


def scored_identity(score: CheckpointScore) -> str:
    """Return what tells one kind of score on these test images from every other."""
    images = 0
    for side in score.scored:
        images = zlib.crc32(side.contiguous().numpy().tobytes(), images)
    return f"{score.identity} {images:08x}"


def take_note_of_changes(state: TrainingState, data: TrainingData, score: CheckpointScore) -> list[str]:
    """Return what has changed since the checkpoint, a line each; scores of other images are forgotten.

    What an old checkpoint does not know counts as unchanged.
    """
    said = []
    if state.data not in ("", data.identity):
        said.append("warning: the training images are not those of the checkpoint, nor is their order")
    elif state.contents not in ("", data.contents):
        said.append("warning: the training images have the names of the checkpoint's, and other contents")
    if state.best and state.scored not in ("", scored_identity(score)):
        said.append(
            "warning: the test images, or what scores them, are not those of the checkpoint: the best score so far "
            f"({state.best.score:.4g} at step {state.best.step}) is forgotten, and patience begins anew"
        )
        state.best, state.num_worse = None, 0
    return said
