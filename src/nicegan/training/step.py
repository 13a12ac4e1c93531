"""One training step: an update of every phase, in order, then the averaged weights."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import nn
from torch.optim import Optimizer

from nicegan.config import RunConfig
from nicegan.machine import Machine
from nicegan.methods.base import Batch, Phase, total
from nicegan.processes import ALONE, Team
from nicegan.shapes import Terms
from nicegan.training.average import update_average
from nicegan.training.health import Watch
from nicegan.training.schedule import average_weight, learning_rate
from nicegan.training.state import TrainingState


class Stepper:
    """Makes the steps of one state.

    Args:
        state: moved by every call.
        config: of the run.
        machine: where to compute.
        team: whose other processes make the same step on other images; gradients are the mean of all.
    """

    def __init__(self, state: TrainingState, config: RunConfig, machine: Machine, team: Team = ALONE) -> None:
        self.state, self.config, self.machine, self.team = state, config, machine, team
        self.watch = Watch(team)
        self.players = [team.together(phase) for phase in state.method.phases]

    def __call__(self, batch: Batch) -> Terms:
        """Every phase once, then the averaged weights; returns all terms as "phase/domain/term".

        Raises:
            NotFinite: a loss or gradient is no finite number; the weights have not seen it (on a GPU, they may have).
        """
        state, config = self.state, self.config
        rate = learning_rate(state.step, config.steps, config.optimizer.learning_rate)
        terms: Terms = {}
        for phase, player, optimizer in zip(state.method.phases, self.players, state.optimizers, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate
            of_phase = self._update(phase, player, optimizer, batch)
            terms |= {f"{phase.name}/{name}": term for name, term in of_phase.items()}
        decay = average_weight(state.step, config.average_decay)
        update_average(state.average, state.method.translation_paths(), decay)
        state.step += 1
        state.drawn += self.team.size * state.images_per_step
        return terms

    def _update(self, phase: Phase, player: nn.Module, optimizer: Optimizer, batch: Batch) -> Terms:
        """One update of one phase, from the gradients of all parts of the batch; returns its terms."""
        parts = batch.parts(self.config.accumulate)
        terms: Terms = {}
        for place, part in enumerate(parts, start=1):
            with nullcontext() if place == len(parts) else self.team.apart(player):
                with self.machine.autocast():
                    of_part: Terms = player(part)
                (total(of_part) / len(parts)).backward()
            for name, term in of_part.items():
                share = term.detach() / len(parts)
                terms[name] = terms[name] + share if name in terms else share
        self.watch.look(self.state.step + 1, phase, terms)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)  # their memory serves the next phase
        phase.after_update()
        return terms


def mean_terms(terms: Terms, team: Team) -> dict[str, float]:
    """The terms as numbers, the mean of all processes."""
    summed = team.sum(torch.stack([term.float() for term in terms.values()]))
    return dict(zip(terms, (summed / team.size).tolist(), strict=True))
