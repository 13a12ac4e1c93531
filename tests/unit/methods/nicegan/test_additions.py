"""What may be added to the training of NICE-GAN: off, nothing changes; on, it is what its source says."""

from pathlib import Path

import pytest
import torch

from nicegan.device import Machine
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch
from nicegan.training.state import TrainingState, new_state
from nicegan.training.step import Stepper

CPU = Machine(torch.device("cpu"), "float32")


def config_with(dataset: Path, **groups: dict[str, object]) -> RunConfig:
    """A run of the tiny form with changes of its groups of settings."""
    tiny = NiceGAN.tiny().model_dump()
    method = {**tiny, **{name: {**tiny[name], **changes} for name, changes in groups.items()}}
    return RunConfig.model_validate(
        {"data": dataset, "method": method, "image_size": 64, "batch_size": 2, "steps": 6, "device": "cpu"}
    )


def stepped(config: RunConfig, batch: Batch, count: int) -> TrainingState:
    state = new_state(config, CPU.device)
    stepper = Stepper(state, config, CPU)
    for _ in range(count):
        stepper(batch)
    return state


@pytest.mark.parametrize("own", [None, 4e-4])
def test_discriminators_may_have_a_learning_rate_of_their_own(dataset: Path, batch: Batch, own: float | None) -> None:
    config = config_with(dataset, optimizer={"learning_rate": 1e-4, "discriminator_learning_rate": own})
    state = stepped(config, batch, 1)
    rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in state.optimizers.items()}
    assert rates == {"discriminator": own or 1e-4, "generator": 1e-4}
    plain = stepped(config_with(dataset, optimizer={"learning_rate": 1e-4}), batch, 1)
    same = [
        torch.equal(one, other)
        for one, other in zip(state.method.phases[0].parameters(), plain.method.phases[0].parameters(), strict=True)
    ]
    assert all(same) == (own is None)
