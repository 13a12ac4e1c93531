"""Untrained models and runs: what an analysis reads is all there, and costs no training."""

from pathlib import Path

import pytest
import torch

from nicegan.checkpoint import point_to
from nicegan.data.places import Dataset, find_dataset
from nicegan.device import Machine
from nicegan.model_file import ModelSpec, save_model
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.training.state import TrainingState, new_state, save_state


def write_run(root: Path, config: RunConfig) -> TrainingState:
    """A run folder as training leaves it, before any step."""
    folder = RunFolder(root)
    folder.claim(config, {})
    state = new_state(config, torch.device("cpu"))
    checkpoint = save_state(folder.checkpoints, state)
    point_to(folder.latest, checkpoint, "the newest")
    save_model(folder.model, ModelSpec(method=config.method, image_size=config.size), state.ema)
    return state


@pytest.fixture
def run(tmp_path: Path, tiny_run: RunConfig) -> Path:
    write_run(tmp_path / "run", tiny_run)
    return tmp_path / "run"


@pytest.fixture
def images(dataset: Path) -> Dataset:
    return find_dataset(dataset, None, None)


@pytest.fixture
def machine() -> Machine:
    return Machine(torch.device("cpu"), "float32")
