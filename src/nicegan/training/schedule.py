"""The learning rate, as a function of the step."""

from nicegan.config import OptimizerConfig


def learning_rate(step: int, num_steps: int, settings: OptimizerConfig) -> float:
    """Return the learning rate of a step, counted from 0, in a run of `num_steps`."""
    if settings.schedule == "constant":
        return settings.learning_rate
    if settings.schedule == "halving":
        return settings.learning_rate * 0.5 ** (step // settings.halve_every)
    remaining = (num_steps - step) / (num_steps - num_steps // 2)
    return settings.learning_rate * max(0.0, min(1.0, remaining))
