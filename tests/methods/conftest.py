"""Every method of the registry, in its tiny form."""

from pathlib import Path

import pytest
import torch

from nicegan.config import MethodConfig
from nicegan.methods.base import Fakes, Method, Phase, total
from nicegan.methods.registry import METHODS
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch, Terms


@pytest.fixture(params=list(METHODS.values()), ids=list(METHODS))
def tiny(request: pytest.FixtureRequest) -> MethodConfig:
    return request.param.tiny()


@pytest.fixture
def size(tiny: MethodConfig) -> tuple[int, int]:
    """A size that the method can be trained at: 64 pixels where it can."""
    return tiny.training_sizes().padded((64, 64))


@pytest.fixture
def run_config(tiny: MethodConfig, size: tuple[int, int], dataset: Path) -> RunConfig:
    """A run of seconds."""
    every = {"log_every": 1, "sample_every": 4, "checkpoint_every": 3, "score_every": 3}
    settings = {"data": dataset, "method": tiny, "image_size": size, "crop_margin": 8, "steps": 6, "device": "cpu"}
    return RunConfig.model_validate({**settings, **every})


@pytest.fixture
def images(size: tuple[int, int]) -> Batch:
    return Batch(*(torch.rand(2, 3, *size) * 2 - 1 for _ in "ab"))


def terms_of(method: Method, batch: Batch, *, backward: bool = False, exchanged: bool = False) -> dict[str, Terms]:
    """The terms of every phase, in order, each with what the earlier ones left; with the gradients of the last.

    `exchanged` gives each direction the random numbers of the other: those of A to B come first.
    """
    found: dict[str, Terms] = {}
    fakes: Fakes = {}
    for phase in method.phases:
        method.zero_grad()
        noise = phase.noise(batch, torch.Generator().manual_seed(0))
        half = len(noise) // 2
        found[phase.name] = phase(batch, (*noise[half:], *noise[:half]) if exchanged else noise, fakes)
        if backward:
            total(found[phase.name]).backward()
    return found


def run(phase: Phase, batch: Batch, fakes: Fakes) -> Terms:
    """One phase with random numbers of a fixed seed."""
    return phase(batch, phase.noise(batch, torch.Generator().manual_seed(0)), fakes)
