"""A GPU for every test of this folder, and settings that it does not leave behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nicegan.device import Machine, set_up_machine
from nicegan.methods.nicegan.config import NiceGAN, NiceGANNetwork
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch

ON_GPU = NiceGANNetwork(base_channels=16, blocks=2, depth=6)


@pytest.fixture(autouse=True)
def gpu() -> Iterator[torch.device]:
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")
    flags = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    yield torch.device("cuda")
    torch.use_deterministic_algorithms(False)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = flags


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    """Settings of a step; the images come from `batches`."""
    return RunConfig(
        data=tmp_path, method=NiceGAN(network=ON_GPU), image_size=64, batch_size=2, steps=10_000, device="cuda"
    )


@pytest.fixture
def machine() -> Machine:
    return set_up_machine("cuda", "float32")


def batches(count: int, size: int = 2, side: int = 64) -> list[Batch]:
    """Different smooth random images for every step."""
    random = torch.Generator().manual_seed(1)

    def images() -> torch.Tensor:
        small = torch.rand(size, 3, 8, 8, generator=random) * 2 - 1
        return torch.nn.functional.interpolate(small, size=(side, side), mode="bilinear").cuda()

    return [Batch(images(), images()) for _ in range(count)]
