"""UNIT's and MUNIT's discriminators take the fakes of the generators' own pass, made before that move."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from nicegan.config import MethodConfig
from nicegan.methods.base import Fakes
from nicegan.methods.munit import phases as munit
from nicegan.methods.munit.config import MUNIT
from nicegan.methods.unit import phases as unit
from nicegan.methods.unit.config import UNIT
from nicegan.shapes import Batch


@pytest.mark.parametrize("config", [UNIT.tiny(), MUNIT.tiny()], ids=lambda config: config.name)
def test_the_fakes_left_are_those_of_the_same_noise(config: MethodConfig) -> None:
    generator, discriminator = config.build((64, 64)).double().phases
    assert isinstance(discriminator, unit.DiscriminatorPhase | munit.DiscriminatorPhase)
    images = Batch(*(torch.rand(2, 3, 64, 64, dtype=torch.float64) * 2 - 1 for _ in "ab"))
    noise = tuple(one.double() for one in generator.noise(images, torch.Generator().manual_seed(0)))
    first_draws = noise[:: len(noise) // 2]
    fakes: Fakes = {}
    generator(images, noise, fakes)
    assert not any(fake.requires_grad for fake in fakes.values())
    assert are_equal(fakes, discriminator.translated(images, first_draws))
    assert not are_equal(fakes, discriminator.translated(images, tuple(2 * draw for draw in first_draws)))
    with torch.no_grad():
        found = discriminator(images, (), {name: 100 * fake for name, fake in fakes.items()})
        assert not are_equal(found, discriminator(images, first_draws)), "they are not read"


def are_equal(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    return all(torch.allclose(found[name], expected[name], rtol=1e-9, atol=1e-12) for name in expected)
