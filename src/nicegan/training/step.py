"""One training step: an update of every phase that is due, in order, then the averaged weights."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from nicegan.device import Machine
from nicegan.distributed import ALONE, ProcessGroup
from nicegan.methods.base import Fakes, Noise, Phase, total
from nicegan.metric_names import term_name
from nicegan.nn import winograd
from nicegan.nn.conv import cast_once
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch, Terms
from nicegan.training.ema import EmaUpdate, ema_weight
from nicegan.training.finite import FiniteCheck
from nicegan.training.graphs import CudaRecorder, Part, Parts, RecordedUpdate, Update
from nicegan.training.schedule import learning_rate
from nicegan.training.state import TrainingState


class Stepper:
    """Makes the steps of one state.

    Args:
        state: moved by every call.
        config: of the run.
        machine: where to compute.
        processes: those that make the same step on other images; gradients are the mean of all.
    """

    def __init__(
        self, state: TrainingState, config: RunConfig, machine: Machine, processes: ProcessGroup = ALONE
    ) -> None:
        self.state, self.config, self.machine, self.processes = state, config, machine, processes
        self.finite = FiniteCheck(processes)
        self.update_ema = EmaUpdate(state.ema, state.method.translation_model())
        self.wrapped = [processes.wrap(phase) for phase in state.method.phases]
        self.without_graphs = why_no_graphs(config, machine, processes)
        self.record_anew()

    def record_anew(self) -> None:
        """Forget what was recorded: optimizers that were restored hold their states at other addresses."""
        self.updates: list[Callable[[Parts], Update]] = [
            partial(self._update, phase, wrapped, self.state.optimizers[phase.optimizer_name()])
            for phase, wrapped in zip(self.state.method.phases, self.wrapped, strict=True)
        ]
        if self.without_graphs is None:
            recorder = CudaRecorder(self.machine.device)
            self.updates = [RecordedUpdate(update, recorder) for update in self.updates]

    def __call__(self, batch: Batch) -> Terms:
        """Update every phase that is due, then the averaged weights; return all terms as "phase/domain/term".

        On a GPU the next call overwrites the terms.

        Raises:
            NotFinite: a loss or gradient is no finite number; the weights have not seen it (on a GPU, they may have).
        """
        state, config = self.state, self.config
        batches = batch.parts(config.accumulate)
        fakes: list[Fakes] = [{} for _ in batches]
        terms: Terms = {}
        for number, (phase, update) in enumerate(zip(state.method.phases, self.updates, strict=True)):
            if not phase.is_due(state.step):
                continue
            set_learning_rate(state.optimizers[phase.optimizer_name()], self.learning_rate(phase.name))
            phase.progress = state.step / config.steps
            noises = [self._noise(phase, number, part, images) for part, images in enumerate(batches)]
            of_phase, numbers, fakes = update([Part(*part) for part in zip(batches, noises, fakes, strict=True)])
            self.finite.post(state.step + 1, phase, of_phase, numbers)
            terms |= {term_name(phase.name, name): term for name, term in of_phase.items()}
        self.update_ema(ema_weight(state.step, config.average_decay))
        state.step += 1
        state.samples_seen += self.processes.size * state.images_per_step
        return terms

    def learning_rate(self, phase: str) -> float:
        """Return the learning rate of a phase in the next step."""
        return learning_rate(self.state.step, self.config.steps, self.config.method.optimizer_of(phase))

    def graphs_described(self) -> str:
        """Return whether CUDA graphs are on, and why not: "CUDA graphs: off (2 processes)"."""
        problems = (update.problem for update in self.updates if isinstance(update, RecordedUpdate))
        problem = self.without_graphs or next(filter(None, problems), None)
        return f"CUDA graphs: off ({problem})" if problem else "CUDA graphs: on"

    def _noise(self, phase: Phase, number: int, part: int, batch: Batch) -> Noise:
        """Return the random numbers of one part: a function of the seed, the samples seen, the process and the part."""
        numbers = [self.config.seed, self.state.samples_seen, self.state.rollbacks, self.processes.rank, number, part]
        rng = torch.Generator()
        rng.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1)))
        return tuple(tensor.to(self.machine.device) for tensor in phase.noise(batch, rng))

    def _update(self, phase: Phase, wrapped: nn.Module, optimizer: Optimizer, parts: Parts) -> Update:
        """Update one phase by the gradients of all parts; return its terms."""
        with winograd.enabled():  # until the optimizer moves the weights
            terms, made = self._gradients(wrapped, parts)
        numbers = self.finite.look(self.state.step + 1, phase, terms)
        if (limit := self.config.method.optimizer_of(phase.name).max_gradient_norm) is not None:
            clip_grad_norm_(phase.learned, limit)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)  # their memory serves the next phase
        phase.after_update()
        for mean in phase.running_means():
            mean.copy_(self.processes.all_reduce_sum(mean) / self.processes.size)
        return Update(terms, numbers, made)

    def _gradients(self, wrapped: nn.Module, parts: Parts) -> tuple[Terms, list[Fakes]]:
        """Add up the gradients of all parts; return the mean of their terms, and the fakes that each one leaves."""
        terms: Terms = {}
        made: list[Fakes] = []
        for index, (batch, noise, fakes) in enumerate(parts, start=1):
            made.append(dict(fakes))
            with nullcontext() if index == len(parts) else self.processes.no_sync(wrapped):
                with self.machine.autocast(), self._casts():
                    of_part: Terms = wrapped(batch, noise, made[-1])
                (total(of_part) / len(parts)).backward()
            for name, term in of_part.items():
                share = term.detach() / len(parts)
                terms[name] = terms[name] + share if name in terms else share
        return terms, made

    def _casts(self) -> AbstractContextManager[None]:
        """Within, each convolution's weight is cast once in half precision."""
        if self.machine.precision != "bfloat16":
            return nullcontext()
        return cast_once([self.state.method], torch.bfloat16)


def why_no_graphs(config: RunConfig, machine: Machine, processes: ProcessGroup) -> str | None:
    """Return why a run's steps are not recorded as CUDA graphs, or None if they are."""
    if machine.device.type != "cuda":
        return f"they are for NVIDIA GPUs, and this run is on {machine.device.type}"
    if not config.cuda_graphs:
        return "--no-cuda-graphs"
    return f"{processes.size} processes" if processes.size > 1 else None


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the rate of every group; where a graph reads it from a tensor, in that tensor."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def mean_terms(terms: Terms, processes: ProcessGroup) -> dict[str, float]:
    """Return the terms as numbers, the mean of all processes."""
    summed = processes.all_reduce_sum(torch.stack([term.float() for term in terms.values()]))
    return dict(zip(terms, (summed / processes.size).tolist(), strict=True))
