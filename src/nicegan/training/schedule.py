"""Quantities that change during a run, as functions of the step."""


def learning_rate(step: int, num_steps: int, initial: float) -> float:
    """Constant over the first half of the run, then linear to 0. `step` counts from 0."""
    remaining = (num_steps - step) / (num_steps - num_steps // 2)
    return initial * max(0.0, min(1.0, remaining))


def average_weight(step: int, decay: float) -> float:
    """How much of the averaged weights stays at this step: `decay`, but less while few steps have been averaged."""
    return min(decay, (1 + step) / (10 + step))
