"""A discriminator that only guesses."""

from __future__ import annotations

from collections.abc import Iterable

from nicegan.methods.base import Phase
from nicegan.metric_names import term_name

NEAR = 0.02  # of the loss of guessing
NUM_STEPS = 100  # logged steps in a row


class CollapseWatch:
    """Warns once when a discriminator's loss stays at that of guessing for long.

    Args:
        phases: of the method; each knows the losses of guessing of its own terms.
    """

    def __init__(self, phases: Iterable[Phase]) -> None:
        self.chance_losses = {
            term_name(phase.name, term): loss
            for phase in phases
            for term, loss in phase.chance_losses().items()
            if loss > 0
        }

    def look(self, values: dict[str, float], streaks: dict[str, int]) -> str | None:
        """Return the warning, at the logged step at which it is due; `streaks` counts such steps in a row."""
        for name, loss in self.chance_losses.items():
            if name not in values:  # a phase that was not due
                continue
            streaks[name] = streaks.get(name, 0) + 1 if abs(values[name] - loss) < NEAR * loss else 0
            if streaks[name] == NUM_STEPS:
                return (
                    f"{name} has stayed at {loss:g}, the loss of guessing, for {NUM_STEPS} logged "
                    "steps: the discriminator may have collapsed; a smaller --optimizer.learning-rate may help"
                )
        return None
