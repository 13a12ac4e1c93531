"""The sliced Wasserstein distance: near zero for equal sets, and growing with what is wrong."""

import math

import pytest
import torch

from nicegan.metrics.wasserstein import laplacian_pyramid, sliced_wasserstein


def noise(count: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(seed)) - 0.5


def test_a_set_is_near_itself_and_nearer_than_a_changed_one() -> None:
    real = noise()
    same, brighter, much_brighter = (sliced_wasserstein(fake, real) for fake in (real, real + 0.1, real + 0.4))
    assert same < brighter < much_brighter
    blurred = torch.nn.functional.avg_pool2d(real, 3, 1, 1)
    assert sliced_wasserstein(blurred, real) > 2 * same


def test_a_known_shift() -> None:
    """Half the images 1, half 0: deviation 1/2. A shift by 1 is 2 deviations in each of 147 values of a patch, and a
    projection onto a random unit vector moves by 2 * |sum of its values|, sqrt(2/pi) * 2 on average."""
    real = torch.zeros(64, 3, 16, 16)
    real[::2] = 1.0
    expected = 1000 * 2 * math.sqrt(2 / math.pi)
    assert sliced_wasserstein(real + 1, real) == pytest.approx(expected, rel=0.15)
    assert sliced_wasserstein(real, real) < 0.05 * expected


def test_it_repeats_itself_and_takes_unequal_counts() -> None:
    assert sliced_wasserstein(noise(5), noise(9, seed=1)) == sliced_wasserstein(noise(5), noise(9, seed=1))


def test_the_pyramid_loses_nothing() -> None:
    image = noise(2)
    levels = laplacian_pyramid(image)
    assert [level.shape[-1] for level in levels] == [64, 32, 16]
    rebuilt = levels[-1]
    for level in reversed(levels[:-1]):
        rebuilt = level + torch.nn.functional.interpolate(rebuilt, size=level.shape[2:], mode="bilinear")
    torch.testing.assert_close(rebuilt, image)
