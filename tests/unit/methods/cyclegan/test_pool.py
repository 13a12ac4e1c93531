"""The image pool against the published rule, written out with a list."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from nicegan.device import Machine
from nicegan.errors import CheckpointError
from nicegan.methods.cyclegan.config import CycleGAN
from nicegan.methods.cyclegan.pool import ImagePool
from nicegan.run_config import RunConfig
from nicegan.training.memory import predict


class PlainPool:
    """Not full: store and return the new image; full: with 1/2 a stored one, which the new one replaces."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: list[Tensor] = []

    def query(self, fakes: Tensor, random: Tensor) -> Tensor:
        given = []
        for fake, (coin, index) in zip(fakes, random.tolist(), strict=True):
            if len(self.images) < self.size:
                self.images.append(fake.clone())
                given.append(fake)
            elif coin > 0.5:
                slot = int(index * self.size)
                given.append(self.images[slot].clone())
                self.images[slot] = fake.clone()
            else:
                given.append(fake)
        return torch.stack(given)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_it_gives_what_the_published_rule_gives(size: int) -> None:
    ours, plain = ImagePool(size), PlainPool(size)
    for _ in range(12):
        fakes, random = torch.rand(2, 3, 4, 4), torch.rand(2, 2)
        assert torch.equal(ours.query(fakes, random), plain.query(fakes, random))


def test_a_pool_of_none_gives_every_image_back() -> None:
    fakes = torch.rand(2, 3, 4, 4)
    assert ImagePool(0).query(fakes, torch.ones(2, 2)) is fakes


def test_a_saved_pool_goes_on_as_it_would_have() -> None:
    pool, copy = ImagePool(3), ImagePool(3)
    for _ in range(4):
        pool.query(torch.rand(2, 3, 4, 4), torch.rand(2, 2))
    copy.load_state_dict(pool.state_dict(), torch.device("cpu"))
    fakes, random = torch.rand(2, 3, 4, 4), torch.tensor([[0.9, 0.5], [0.9, 0.1]])
    assert torch.equal(pool.query(fakes, random), copy.query(fakes, random))
    with pytest.raises(CheckpointError, match="pool of 3 images, and the run's pool_size is 4: put 3 back"):
        ImagePool(4).load_state_dict(pool.state_dict(), torch.device("cpu"))


def test_a_saved_pool_does_not_change_with_the_next_query() -> None:
    pool = ImagePool(1)
    pool.query(torch.zeros(1, 3, 2, 2), torch.rand(1, 2))
    saved = pool.state_dict()
    pool.query(torch.ones(1, 3, 2, 2), torch.ones(1, 2) * 0.9)
    assert saved["images"].sum() == 0


def test_the_pools_are_in_the_predicted_memory(tmp_path: Path) -> None:
    def lasting(pool_size: int) -> int:
        network = CycleGAN.tiny().network.model_copy(update={"pool_size": pool_size})
        config = RunConfig(data=tmp_path, method=CycleGAN(network=network), image_size=64)
        return predict(config, Machine(torch.device("cpu"), "float32")).lasting

    grown = lasting(1000) - lasting(1)
    assert grown == pytest.approx(2 * 999 * 3 * 64 * 64 * 4, rel=0.05)
