"""One training step: an update of every phase, in order, then the averaged weights."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nicegan.config import RunConfig
from nicegan.machine import Machine
from nicegan.methods.base import Batch, Phase, total
from nicegan.nn.conv import cast_once
from nicegan.processes import ALONE, Team
from nicegan.shapes import Terms
from nicegan.training.average import update_average
from nicegan.training.graphs import CudaRecorder, RecordedUpdate, Update
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
        self.without_graphs = why_no_graphs(config, machine, team)
        self.record_anew()

    def record_anew(self) -> None:
        """Forget what was recorded: optimizers that were restored hold their states at other addresses."""
        self.updates: list[Callable[[Batch], Update]] = [
            partial(self._update, phase, player, optimizer)
            for phase, player, optimizer in zip(
                self.state.method.phases, self.players, self.state.optimizers, strict=True
            )
        ]
        if self.without_graphs is None:
            recorder = CudaRecorder(self.machine.device)
            self.updates = [RecordedUpdate(update, recorder) for update in self.updates]

    def __call__(self, batch: Batch) -> Terms:
        """Every phase once, then the averaged weights; returns all terms as "phase/domain/term".

        On a GPU the next call overwrites the terms.

        Raises:
            NotFinite: a loss or gradient is no finite number; the weights have not seen it (on a GPU, they may have).
        """
        state, config = self.state, self.config
        terms: Terms = {}
        for phase, optimizer, update in zip(state.method.phases, state.optimizers, self.updates, strict=True):
            set_learning_rate(optimizer, self.learning_rate)
            of_phase, numbers = update(batch)
            self.watch.post(state.step + 1, phase, of_phase, numbers)
            terms |= {f"{phase.name}/{name}": term for name, term in of_phase.items()}
        decay = average_weight(state.step, config.average_decay)
        update_average(state.average, state.method.translation_paths(), decay)
        state.step += 1
        state.drawn += self.team.size * state.images_per_step
        return terms

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return learning_rate(self.state.step, self.config.steps, self.config.optimizer.learning_rate)

    def graphs_described(self) -> str:
        """Return whether CUDA graphs are on, and why not: "CUDA graphs: off (2 processes)"."""
        problems = (update.problem for update in self.updates if isinstance(update, RecordedUpdate))
        problem = self.without_graphs or next(filter(None, problems), None)
        return f"CUDA graphs: off ({problem})" if problem else "CUDA graphs: on"

    def _update(self, phase: Phase, player: nn.Module, optimizer: Optimizer, batch: Batch) -> Update:
        """One update of one phase, from the gradients of all parts of the batch; returns its terms."""
        parts = batch.parts(self.config.accumulate)
        terms: Terms = {}
        for place, part in enumerate(parts, start=1):
            with nullcontext() if place == len(parts) else self.team.apart(player):
                with self.machine.autocast(), self._casts():
                    of_part: Terms = player(part)
                (total(of_part) / len(parts)).backward()
            for name, term in of_part.items():
                share = term.detach() / len(parts)
                terms[name] = terms[name] + share if name in terms else share
        numbers = self.watch.look(self.state.step + 1, phase, terms)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)  # their memory serves the next phase
        phase.after_update()
        return Update(terms, numbers)

    def _casts(self) -> AbstractContextManager[None]:
        """Within, each convolution's weight is cast once in half precision."""
        if self.machine.precision != "bfloat16":
            return nullcontext()
        return cast_once(self.state.method.domains, torch.bfloat16)


def why_no_graphs(config: RunConfig, machine: Machine, team: Team) -> str | None:
    """Return why a run's steps are not recorded as CUDA graphs, or None if they are."""
    if machine.device.type != "cuda":
        return f"they are for NVIDIA GPUs, and this run is on {machine.device.type}"
    if not config.cuda_graphs:
        return "--no-cuda-graphs"
    return f"{team.size} processes" if team.size > 1 else None


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the rate of every group; where a graph reads it from a tensor, in that tensor."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def mean_terms(terms: Terms, team: Team) -> dict[str, float]:
    """The terms as numbers, the mean of all processes."""
    summed = team.sum(torch.stack([term.float() for term in terms.values()]))
    return dict(zip(terms, (summed / team.size).tolist(), strict=True))
