"""Numbers that go wrong: noticed in the step in which it happens, without making a GPU wait every step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from nicegan.methods.base import Phase
from nicegan.processes import ALONE, Team
from nicegan.shapes import Terms

TRIVIAL_LOSS = 0.5  # of a least-squares head that answers 1/2 to everything: (1 - 1/2)^2 + (1/2)^2
NEAR_TRIVIAL = 0.02
TRIVIAL_STEPS = 100  # logged steps in a row
MOST_NAMED = 3  # terms in a message; problem.json has all
DELAY_STEPS = 2  # a GPU is rarely further behind


class NotFinite(Exception):  # noqa: N818 - an event that the loop answers, not an error of the user
    """A loss or a gradient that is no finite number.

    Args:
        step: number of the step, counted from 1, as in the metrics.
        where: names of the terms, or else of the parameters whose gradients are wrong.
    """

    def __init__(self, step: int, where: list[str]) -> None:
        more = f" and {len(where) - MOST_NAMED} more" if len(where) > MOST_NAMED else ""
        verb = "are no finite numbers" if len(where) > 1 else "is not a finite number"
        super().__init__(f"step {step}: {', '.join(where[:MOST_NAMED])}{more} {verb}")
        self.step, self.where = step, where


class Check(NamedTuple):
    """Numbers on their way from the device to whoever must know them."""

    step: int
    names: list[str]
    numbers: Tensor
    arrived: torch.cuda.Event | None


class Mailbox:
    """Numbers that are asked for in one step and read in another, so that a GPU need not be waited for.

    On a CPU a number is there at once. From a GPU it is read two steps later: always then, and not when it happens to
    have arrived, since processes that work together must come to know it in the same step.
    """

    def __init__(self) -> None:
        self.pending: list[Check] = []

    def post(self, step: int, names: list[str], numbers: Tensor) -> None:
        """Send off a number for each name, (n,)."""
        arrived = torch.cuda.Event() if numbers.is_cuda else None
        self.pending.append(Check(step, names, numbers.to("cpu", non_blocking=True), arrived))
        if arrived:
            arrived.record()

    def read(self, step: int) -> Iterator[Check]:
        """All numbers that must be known by this step, oldest first."""
        while self.pending and (self.pending[0].arrived is None or self.pending[0].step <= step - DELAY_STEPS):
            yield self._taken()

    def rest(self) -> Iterator[Check]:
        """All numbers, waiting for those that are still on their way."""
        while self.pending:
            yield self._taken()

    def _taken(self) -> Check:
        check = self.pending.pop(0)
        if check.arrived is not None:
            check.arrived.synchronize()
        return check


class Watch:
    """Looks at each phase's losses and gradients before they are used.

    On a CPU a wrong number stops the step before it reaches the weights. A GPU is not waited for: its numbers are read
    two steps later, and at the latest before anything is saved (`settle`).
    """

    def __init__(self, team: Team = ALONE) -> None:
        self.team = team
        self.mail = Mailbox()

    def look(self, step: int, phase: Phase, terms: Terms) -> Tensor:
        """Examine a phase between its backward pass and its update, if that need not wait for a GPU.

        Returns:
            The losses and the norm of the gradients, summed over processes, for `post`.

        Raises:
            NotFinite: on a CPU, of this step.
        """
        gradients = [parameter.grad for parameter in phase.parameters() if parameter.grad is not None]
        losses = torch.stack([term.detach().float() for term in terms.values()])
        numbers = self.team.sum(torch.cat([losses, get_total_norm(gradients)[None]]))
        if not numbers.is_cuda and not numbers.isfinite().all():
            raise NotFinite(step, culprits(phase, terms))
        return numbers

    def post(self, step: int, phase: Phase, terms: Terms, numbers: Tensor) -> None:
        """Send off a GPU's numbers, and examine those of earlier steps.

        Raises:
            NotFinite: of an earlier step.
        """
        if numbers.is_cuda:
            self.mail.post(step, [f"{phase.name}/{name}" for name in terms] + [norm_of(phase)], numbers)
            self._examine(self.mail.read(step))

    def settle(self) -> None:
        """Wait for all numbers that are still on their way; raises as `post`."""
        self._examine(self.mail.rest())

    def _examine(self, checks: Iterator[Check]) -> None:
        for check in checks:
            fine = check.numbers.isfinite().tolist()
            if not all(fine):
                self.mail.pending.clear()
                raise NotFinite(check.step, [name for name, ok in zip(check.names, fine, strict=True) if not ok])


class StopVote:
    """Whether the processes that work together stop after this step: one that was asked to takes the others along."""

    def __init__(self, team: Team, device: torch.device) -> None:
        self.team, self.device = team, device
        self.mail = Mailbox()
        self.signal_number = 0

    def take(self, step: int, signal_number: int | None) -> int:
        """The signal that asked for it, or 0; `signal_number` is what this process was sent."""
        if self.team.size == 1:
            self.signal_number = signal_number or 0
        else:
            mine = torch.tensor([signal_number or 0], device=self.device)
            self.mail.post(step, ["vote"], self.team.greatest(mine))
            self.signal_number = max(self.signal_number, *(int(vote.numbers) for vote in self.mail.read(step)), 0)
        return self.signal_number

    def forget(self) -> None:
        """Let go of votes on their way: the steps that they belong to are made again."""
        self.mail.pending.clear()


def culprits(phase: Phase, terms: Terms) -> list[str]:
    """Names of the terms that are not finite, or else of the first few gradients that are not."""
    wrong = [f"{phase.name}/{name}" for name, term in terms.items() if not torch.isfinite(term).all()]
    gradients = (
        f"gradient of {phase.name}/{name}"
        for name, parameter in phase.named_parameters()
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all()
    )
    return wrong or [name for name, _ in zip(gradients, range(3), strict=False)] or [norm_of(phase)]


def norm_of(phase: Phase) -> str:
    """What is wrong where every gradient is finite and their norm is not, or where a GPU tells no more."""
    return f"norm of {phase.name}'s gradients"


class CollapseWatch:
    """Warns once when a discriminator's head says 1/2 to everything for long: it has stopped to tell apart."""

    def __init__(self, weight: float) -> None:
        self.trivial = weight * TRIVIAL_LOSS

    def look(self, values: dict[str, float], streaks: dict[str, int]) -> str | None:
        """The warning, at the logged step at which it is due; `streaks` counts such steps in a row."""
        for name, value in values.items():
            if name.startswith("discriminator/") and self.trivial > 0:
                near = abs(value - self.trivial) < NEAR_TRIVIAL * self.trivial
                streaks[name] = streaks.get(name, 0) + 1 if near else 0
                if streaks[name] == TRIVIAL_STEPS:
                    return (
                        f"{name} has stayed at {self.trivial:g}, the loss of guessing, for {TRIVIAL_STEPS} logged "
                        "steps: the discriminator may have collapsed; a smaller --optimizer.learning-rate may help"
                    )
        return None
