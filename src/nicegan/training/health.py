"""Numbers that go wrong: noticed in the step in which it happens, without making a GPU wait every step."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from nicegan.methods.base import Phase
from nicegan.shapes import Terms

TRIVIAL_LOSS = 0.5  # of a least-squares head that answers 1/2 to everything: (1 - 1/2)^2 + (1/2)^2
NEAR_TRIVIAL = 0.02
PATIENCE = 100  # logged steps in a row


class NotFinite(Exception):  # noqa: N818 - an event that the loop answers, not an error of the user
    """A loss or a gradient that is no finite number.

    Args:
        step: number of the step, counted from 1, as in the metrics.
        where: names of the terms, or else of the parameters whose gradients are wrong.
    """

    def __init__(self, step: int, where: list[str]) -> None:
        super().__init__(f"step {step}: {', '.join(where)} is not a finite number")
        self.step, self.where = step, where


class _Check(NamedTuple):
    """A number that is finite if all is well, on its way from the device."""

    step: int
    phase: str
    number: Tensor
    arrived: torch.cuda.Event | None


class Watch:
    """Looks at each phase's losses and gradients before they are used.

    On a CPU a wrong number stops the step before it reaches the weights. A GPU is not waited for: its numbers are read
    once they have arrived, a step or two later, and at the latest before anything is saved (`settle`).
    """

    def __init__(self) -> None:
        self.pending: list[_Check] = []

    def look(self, step: int, phase: Phase, terms: Terms) -> None:
        """Examine a phase between its backward pass and its update.

        Raises:
            NotFinite: of this step on a CPU, of this or an earlier one on a GPU.
        """
        gradients = [parameter.grad for parameter in phase.parameters() if parameter.grad is not None]
        losses = torch.stack([term.detach().float() for term in terms.values()])
        number = get_total_norm([losses, *gradients])
        if not number.is_cuda:
            if not math.isfinite(number.item()):
                raise NotFinite(step, culprits(phase, terms))
            return
        arrived = torch.cuda.Event()
        self.pending.append(_Check(step, phase.name, number.to("cpu", non_blocking=True), arrived))
        arrived.record()
        self._read(wait=False)

    def settle(self) -> None:
        """Wait for all numbers that are still on their way; raises as `look`."""
        self._read(wait=True)

    def _read(self, *, wait: bool) -> None:
        while self.pending:
            check = self.pending[0]
            if check.arrived is not None:
                if wait:
                    check.arrived.synchronize()
                elif not check.arrived.query():
                    return
            self.pending.pop(0)
            if not math.isfinite(check.number.item()):
                self.pending.clear()
                raise NotFinite(check.step, [f"a loss or gradient of the {check.phase}"])


def culprits(phase: Phase, terms: Terms) -> list[str]:
    """Names of the terms that are not finite, or else of the first few gradients that are not."""
    wrong = [f"{phase.name}/{name}" for name, term in terms.items() if not torch.isfinite(term).all()]
    gradients = (
        f"gradient of {phase.name}/{name}"
        for name, parameter in phase.named_parameters()
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all()
    )
    return (
        wrong or [name for name, _ in zip(gradients, range(3), strict=False)] or [f"norm of {phase.name}'s gradients"]
    )


class CollapseWatch:
    """Warns once when a discriminator's head says 1/2 to everything for long: it has stopped to tell apart."""

    def __init__(self, weight: float) -> None:
        self.trivial = weight * TRIVIAL_LOSS
        self.streaks: dict[str, int] = {}

    def look(self, values: dict[str, float]) -> str | None:
        """The warning, at the logged step at which it is due."""
        for name, value in values.items():
            if name.startswith("discriminator/") and self.trivial > 0:
                near = abs(value - self.trivial) < NEAR_TRIVIAL * self.trivial
                self.streaks[name] = self.streaks.get(name, 0) + 1 if near else 0
                if self.streaks[name] == PATIENCE:
                    return (
                        f"{name} has stayed at {self.trivial:g}, the loss of guessing, for {PATIENCE} logged steps: "
                        "the discriminator may have collapsed; a smaller --optimizer.learning-rate may help"
                    )
        return None
