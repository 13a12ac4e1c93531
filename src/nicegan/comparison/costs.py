"""What a recipe costs: parameters, arithmetic, memory, and the time of a step where recipes take turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from nicegan.comparison.plan import Entry
from nicegan.device import Machine, set_up_machine
from nicegan.nn.flops import flops
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch
from nicegan.training.memory import predict
from nicegan.training.state import new_state
from nicegan.training.step import Stepper

ROUNDS = 5  # turns of each recipe; the first steps of each are left out
WARM_UPS = 5  # a GPU records the fourth step


class Costs(NamedTuple):
    """Costs of one recipe. Parameters count both directions; flops, bytes and seconds are those of one training step,
    where phases are not due in each step on average over a cycle of them."""

    parameters: int
    translation_parameters: int
    flops: int
    step_bytes: int
    step_seconds: float


def measure_costs(entries: Sequence[Entry], progress: Callable[[str], None]) -> dict[str, Costs]:
    """Return the costs of each recipe, by name; steps are timed in turns, on images of noise."""
    costs, steps = {}, {}
    for entry in entries:
        progress(f"counting {entry.name}")
        machine = set_up_machine(entry.config.device, entry.config.precision, entry.config.num_threads)
        state = new_state(entry.config, machine.device)
        stepper = Stepper(state, entry.config, machine)
        batch = _noise(entry.config, machine)
        parameters = {id(p): p.numel() for phase in state.method.phases for p in phase.parameters()}
        translating = {id(p): p.numel() for p in state.method.translation_model().parameters()}
        operations = _flops(entry.config, machine, batch)
        need = predict(entry.config, machine).total
        costs[entry.name] = Costs(sum(parameters.values()), sum(translating.values()), operations, need, 0.0)
        steps[entry.name] = stepper, batch
    progress("timing steps in turns")
    seconds = _take_turns(steps)
    return {name: cost._replace(step_seconds=seconds[name]) for name, cost in costs.items()}


def _flops(config: RunConfig, machine: Machine, batch: Batch) -> int:
    """Return the floating-point operations of a run's first steps, eager: replays tell no counter."""
    eager = config.model_copy(update={"cuda_graphs": False})
    stepper = Stepper(new_state(eager, machine.device), eager, machine)
    cycle = stepper.state.method.steps_of_a_cycle()
    return flops(lambda: [stepper(batch) for _ in range(cycle)]) // cycle


def _take_turns(steps: dict[str, tuple[Stepper, Batch]]) -> dict[str, float]:
    """Return the median of the seconds of each one's step: one after the other in every round."""
    cycles = {name: stepper.state.method.steps_of_a_cycle() for name, (stepper, _) in steps.items()}
    for name, (step, batch) in steps.items():
        for _ in range(WARM_UPS * cycles[name]):
            step(batch)
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, (step, batch) in steps.items():
            start = time.perf_counter()
            for _ in range(cycles[name]):
                step(batch)
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()
            found[name].append((time.perf_counter() - start) / cycles[name])
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def _noise(config: RunConfig, machine: Machine) -> Batch:
    size = (config.batch_size, 3, *config.size)
    return Batch(*(torch.rand(size, device=machine.device) * 2 - 1 for _ in "ab"))
