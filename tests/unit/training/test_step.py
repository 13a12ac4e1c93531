"""A step updates what is due, at its own rate, within its norm, with random numbers that follow from the step."""

import pytest
import torch
from torch import nn

from nicegan.config import OptimizerConfig
from nicegan.device import Machine
from nicegan.methods.base import Noise
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch
from nicegan.training.schedule import learning_rate
from nicegan.training.state import TrainingState, new_state
from nicegan.training.step import Stepper

CPU = Machine(torch.device("cpu"), "float32")


def weights(phase: nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in phase.parameters()]


def moved(phase: nn.Module, before: list[torch.Tensor]) -> bool:
    return any(not torch.equal(now, then) for now, then in zip(phase.parameters(), before, strict=True))


def with_optimizer(config: RunConfig, **settings: object) -> RunConfig:
    optimizer = config.method.optimizer.model_copy(update=settings)
    return config.model_copy(update={"method": config.method.model_copy(update={"optimizer": optimizer})})


def test_a_phase_that_is_not_due_stays_as_it_is(tiny_run: RunConfig, batch: Batch) -> None:
    state = new_state(tiny_run, CPU.device)
    first, second = state.method.phases
    second.is_due = lambda step: step % 3 == 0
    stepper = Stepper(state, tiny_run, CPU)
    for step in range(4):
        before = weights(first), weights(second)
        terms = stepper(batch)
        assert moved(first, before[0])
        assert moved(second, before[1]) == (step in (0, 3))
        assert any(name.startswith(f"{second.name}/") for name in terms) == (step in (0, 3))


def test_each_phase_has_the_settings_that_its_method_gives_it(tiny_run: RunConfig, batch: Batch) -> None:
    class Unequal(NiceGAN):
        def optimizer_of(self, phase: str) -> OptimizerConfig:
            return OptimizerConfig(learning_rate=1e-3 if phase == "generator" else 1e-5, schedule="constant")

    config = tiny_run.model_copy(update={"method": Unequal(**dict(tiny_run.method))})
    state = new_state(config, CPU.device)
    Stepper(state, config, CPU)(batch)
    rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in state.optimizers.items()}
    assert rates == {"discriminator": 1e-5, "generator": 1e-3}


@pytest.mark.parametrize("limit", [1e-3, 1e9])
def test_gradients_are_scaled_down_to_the_largest_norm(
    tiny_run: RunConfig, batch: Batch, limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = with_optimizer(tiny_run, max_gradient_norm=limit)
    state = new_state(config, CPU.device)
    norms = []
    for optimizer in state.optimizers.values():
        step = optimizer.step

        def measured(optimizer: torch.optim.Optimizer = optimizer, step: object = step) -> None:
            gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
            norms.append(torch.nn.utils.get_total_norm(gradients).item())

        monkeypatch.setattr(optimizer, "step", measured)
    Stepper(state, config, CPU)(batch)
    assert all(norm == pytest.approx(limit, rel=1e-3) for norm in norms) == (limit < 1)


def test_the_rate_is_halved_at_intervals_or_stays() -> None:
    halving = OptimizerConfig(learning_rate=8.0, schedule="halving", halve_every=10)
    assert [learning_rate(step, 100, halving) for step in (0, 9, 10, 19, 20, 99)] == [8, 8, 4, 4, 2, 8 / 2**9]
    constant = OptimizerConfig(learning_rate=8.0, schedule="constant")
    assert {learning_rate(step, 100, constant) for step in (0, 60, 99)} == {8.0}


def noise_of(config: RunConfig, batch: Batch, steps: int, start: TrainingState | None = None) -> list[list[float]]:
    state = start or new_state(config, CPU.device)
    phase, seen = state.method.phases[0], []
    right = phase.forward
    phase.noise = lambda batch, rng: (torch.rand(3, generator=rng),)

    def forward(part: Batch, noise: Noise, fakes: object) -> object:
        seen.append(noise[0].tolist())
        return right(part, (), None)

    phase.forward = forward  # pyright: ignore[reportAttributeAccessIssue]
    stepper = Stepper(state, config, CPU)
    for _ in range(steps):
        stepper(batch)
    return seen


def test_random_numbers_follow_from_seed_step_and_part_and_need_no_saving(tiny_run: RunConfig, batch: Batch) -> None:
    config = tiny_run.model_copy(update={"accumulate": 2, "batch_size": 1})
    numbers_seen = noise_of(config, batch, 3)
    assert len({tuple(numbers) for numbers in numbers_seen}) == 6, "every part of every step has its own"
    torch.rand(100)
    assert noise_of(config, batch, 3) == numbers_seen
    later = new_state(config, CPU.device)
    later.step, later.samples_seen = 2, 4
    assert noise_of(config, batch, 1, later) == numbers_seen[4:]
    assert noise_of(config.model_copy(update={"seed": 1}), batch, 3) != numbers_seen
