"""Numbers that go wrong: noticed in the step in which it happens, without making a GPU wait every step."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from nicegan.distributed import ALONE, ProcessGroup
from nicegan.methods.base import Phase
from nicegan.metric_names import term_name
from nicegan.shapes import Terms
from nicegan.training.readback import Check, DelayedReadback

MOST_NAMED = 3  # terms in a message; problem.json has all


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


class FiniteCheck:
    """Looks at each phase's losses and gradients before they are used.

    On a CPU a wrong number stops the step before it reaches the weights. A GPU is not waited for: its numbers are read
    two steps later, and at the latest before anything is saved (`settle`).
    """

    def __init__(self, processes: ProcessGroup = ALONE) -> None:
        self.processes = processes
        self.readback = DelayedReadback()

    def look(self, step: int, phase: Phase, terms: Terms) -> Tensor:
        """Examine a phase between its backward pass and its update, if that need not wait for a GPU.

        Returns:
            The losses and the norm of the gradients, summed over processes, for `post`.

        Raises:
            NotFinite: on a CPU, of this step.
        """
        gradients = [parameter.grad for parameter in phase.learned if parameter.grad is not None]
        losses = torch.stack([term.detach().float() for term in terms.values()])
        numbers = self.processes.all_reduce_sum(torch.cat([losses, get_total_norm(gradients)[None]]))
        if not numbers.is_cuda and not numbers.isfinite().all():
            raise NotFinite(step, non_finite_names(phase, terms))
        return numbers

    def post(self, step: int, phase: Phase, terms: Terms, numbers: Tensor) -> None:
        """Send off a GPU's numbers, and examine those of earlier steps.

        Raises:
            NotFinite: of an earlier step.
        """
        if numbers.is_cuda:
            self.readback.post(step, [term_name(phase.name, name) for name in terms] + [norm_of(phase)], numbers)
            self._examine(self.readback.read(step))

    def settle(self) -> None:
        """Wait for all numbers that are still on their way; raises as `post`."""
        self._examine(self.readback.rest())

    def _examine(self, checks: Iterator[Check]) -> None:
        for check in checks:
            fine = check.numbers.isfinite().tolist()
            if not all(fine):
                self.readback.pending.clear()
                raise NotFinite(check.step, [name for name, ok in zip(check.names, fine, strict=True) if not ok])


def non_finite_names(phase: Phase, terms: Terms) -> list[str]:
    """Return names of the terms that are not finite, or else of the first few gradients that are not."""
    wrong = [term_name(phase.name, name) for name, term in terms.items() if not torch.isfinite(term).all()]
    gradients = (
        f"gradient of {phase.name}/{name}"
        for name, parameter in phase.named_parameters()
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all()
    )
    return wrong or [name for name, _ in zip(gradients, range(3), strict=False)] or [norm_of(phase)]


def norm_of(phase: Phase) -> str:
    """Return what is wrong where every gradient is finite and their norm is not, or where a GPU tells no more."""
    return f"norm of {phase.name}'s gradients"
