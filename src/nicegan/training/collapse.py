"""A discriminator that only guesses, and one that has won: neither tells the generator anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nicegan.config import MethodConfig
from nicegan.hints import Findings, Hint, Symptom, advice
from nicegan.methods.base import Phase
from nicegan.metric_names import parse_term, term_name

NEAR = 0.02  # of the loss of guessing
NUM_STEPS = 100  # logged steps in a row
WON = 0.1  # of the loss of guessing, in the mean of a discriminator's terms
NUM_LATEST = 30  # logged steps in that mean

Metrics = Sequence[dict[str, float]]


def chance_losses(phases: Iterable[Phase]) -> dict[str, float]:
    """Return the loss of guessing of every term that has one, by its name in the metrics."""
    return {
        term_name(phase.name, term): loss
        for phase in phases
        for term, loss in phase.chance_losses().items()
        if loss > 0
    }


class CollapseWatch:
    """Warns once when a discriminator's loss stays at that of guessing for long.

    Args:
        phases: of the method; each knows the losses of guessing of its own terms.
    """

    def __init__(self, phases: Iterable[Phase]) -> None:
        self.chance_losses = chance_losses(phases)

    def look(self, values: dict[str, float], streaks: dict[str, int]) -> str | None:
        """Return the warning, at the logged step at which it is due; `streaks` counts such steps in a row."""
        for name, loss in self.chance_losses.items():
            if name not in values:  # a phase that was not due
                continue
            streaks[name] = streaks.get(name, 0) + 1 if is_guessed(values[name], loss) else 0
            if streaks[name] == NUM_STEPS:
                return (
                    f"{name} has stayed at {loss:g}, the loss of guessing, for {NUM_STEPS} logged "
                    "steps: the discriminator may have collapsed; a smaller --optimizer.learning-rate may help"
                )
        return None


def is_guessed(value: float, loss: float) -> bool:
    """Return whether a term is as good as its loss of guessing."""
    return abs(value - loss) < NEAR * loss


def discriminator_findings(metrics: Metrics, phases: Iterable[Phase], method: MethodConfig) -> Findings:
    """Return what the latest logged losses say of the discriminators.

    Args:
        metrics: lines of metrics.jsonl, in order.
        phases: of the method.
        method: its settings, which advice names.
    """
    chances = chance_losses(phases)
    values = {name: [line[name] for line in metrics if name in line] for name in chances}
    num_logged = min(map(len, values.values()), default=0)
    guessing = _found("guessing", NUM_STEPS, num_logged, _guessing(values, chances), method)
    return guessing.and_also(_found("winning", NUM_LATEST, num_logged, _winning(values, chances), method))


def _found(
    symptom: Symptom, needed: int, num_logged: int, measurements: dict[str, str], method: MethodConfig
) -> Findings:
    if num_logged < needed:
        reason = f"it takes {needed} logged steps, and there are {num_logged}: --log-every"
        return Findings(unmeasured=(((symptom,), reason),))
    hints = tuple(Hint(symptom, where, words, advice(symptom, method)) for where, words in measurements.items())
    return Findings(hints, (symptom,))


def _guessing(values: dict[str, list[float]], chances: dict[str, float]) -> dict[str, str]:
    """Return the terms whose latest values are all those of guessing."""
    return {
        name: f"at {chances[name]:g}, the loss of guessing, in the last {NUM_STEPS} logged steps"
        for name, of_term in values.items()
        if all(is_guessed(value, chances[name]) for value in of_term[-NUM_STEPS:])
    }


def _winning(values: dict[str, list[float]], chances: dict[str, float]) -> dict[str, str]:
    """Return the discriminators, by phase and domain, whose latest losses are near 0."""
    sums: dict[str, tuple[float, float]] = {}
    for name, of_term in values.items():
        term = parse_term(name)
        assert term is not None
        latest = of_term[-NUM_LATEST:]
        loss, chance = sums.get(key := f"{term.phase}/{term.domain}", (0.0, 0.0))
        sums[key] = loss + sum(latest) / max(1, len(latest)), chance + chances[name]
    return {
        key: f"a loss of {loss:.2g} in the mean of the last {NUM_LATEST} logged steps, and {chance:g} would be guessing"
        for key, (loss, chance) in sums.items()
        if loss < WON * chance
    }
