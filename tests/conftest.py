"""Fixtures: tiny networks, painted images, and a cache of the tests' own."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nicegan.methods.nicegan.config import NiceGAN, NiceGANNetwork
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch

if not torch.cuda.is_available():  # for test_kernels: read when Triton is imported, which nicegan.bench does too
    os.environ["TRITON_INTERPRET"] = "1"
torch.set_num_threads(1)  # networks of 4 channels gain nothing from more, and lose much on a busy machine

TINY = NiceGANNetwork(base_channels=4, blocks=1, depth=6)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("NICEGAN_CACHE", str(cache))
    monkeypatch.delenv("NICEGAN_DATA", raising=False)
    return cache


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def batch() -> Batch:
    return Batch(torch.rand(2, 3, 64, 64) * 2 - 1, torch.rand(2, 3, 64, 64) * 2 - 1)


def write_images(folder: Path, count: int, size: tuple[int, int] = (72, 80), seed: int = 0) -> list[Path]:
    """Smooth random images as PNGs; `size` is (width, height)."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    paths = []
    for number in range(count):
        small = random.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        path = folder / f"image_{number:03d}.png"
        Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(path)
        paths.append(path)
    return paths


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset folder with 6 + 5 training and 3 + 3 test images."""
    root = tmp_path / "dataset"
    for seed, (name, count) in enumerate({"trainA": 6, "trainB": 5, "testA": 3, "testB": 3}.items()):
        write_images(root / name, count, seed=seed)
    return root


@pytest.fixture
def tiny_run(dataset: Path) -> RunConfig:
    """A run of seconds."""
    return RunConfig(
        data=dataset,
        method=NiceGAN(network=TINY),
        image_size=64,
        crop_margin=8,
        steps=6,
        log_every=1,
        sample_every=4,
        checkpoint_every=3,
        score_every=3,
        device="cpu",
    )
