"""Initial weights have the spread that their papers give them, and no bias."""

import math

import pytest
import torch
from torch import nn

from nicegan.nn import init


def layers() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(64, 128, 3), nn.ConvTranspose2d(128, 64, 3), nn.Linear(500, 300))


def spreads(module: nn.Module) -> list[float]:
    return [p.std().item() for name, p in module.named_parameters() if name.endswith("weight")]


def test_normal_weights_have_the_given_deviation() -> None:
    module = layers()
    init.normal(module)
    assert spreads(module) == pytest.approx([0.02] * 3, rel=0.03)


def test_kaimings_deviation_follows_from_the_inputs() -> None:
    module = layers()
    init.kaiming(module)
    # PyTorch counts the inputs of a transposed convolution by the weight's second dimension
    expected = [math.sqrt(2 / (64 * 9)), math.sqrt(2 / (64 * 9)), math.sqrt(2 / 500)]
    assert spreads(module) == pytest.approx(expected, rel=0.03)


def test_xaviers_deviation_follows_from_inputs_and_outputs() -> None:
    module = layers()
    init.xavier(module, gain=0.02)
    expected = [0.02 * math.sqrt(2 / (a + b)) for a, b in ((64 * 9, 128 * 9), (128 * 9, 64 * 9), (500, 300))]
    assert spreads(module) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("draw", [init.normal, init.kaiming, init.xavier], ids=lambda draw: draw.__name__)
def test_biases_are_zero_and_norms_are_left_alone(draw: init.Scheme) -> None:
    norm = nn.BatchNorm2d(4)
    module = nn.Sequential(layers(), norm)
    draw(module)
    assert all(p.abs().sum() == 0 for name, p in module.named_parameters() if name.endswith("bias"))
    assert torch.equal(norm.weight.detach(), torch.ones(4))
