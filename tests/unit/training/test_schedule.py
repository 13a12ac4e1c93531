"""Quantities that are functions of the step."""

import pytest
import torch
from tests.conftest import TINY

from nicegan.config import OptimizerConfig
from nicegan.methods.nicegan.build import build_method
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.training.ema import EmaUpdate, averaged_copy, ema_weight
from nicegan.training.schedule import learning_rate


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 1.0), (49, 1.0), (50, 1.0), (51, 0.98), (75, 0.5), (99, 0.02), (100, 0.0), (150, 0.0)]
)
def test_constant_then_linear_to_zero(step: int, expected: float) -> None:
    assert learning_rate(step, 100, OptimizerConfig(learning_rate=2.0)) == pytest.approx(2 * expected)


def test_one_step_runs_have_a_rate() -> None:
    assert learning_rate(0, 1, OptimizerConfig(learning_rate=1.0)) == 1.0


def test_the_average_warms_up() -> None:
    assert ema_weight(0, 0.999) == pytest.approx(0.1)
    assert ema_weight(10**6, 0.999) == 0.999


def test_the_average_moves_by_its_formula_and_is_not_the_raw_network() -> None:
    networks = build_method(NiceGAN(network=TINY), (64, 64)).translation_model()
    ema = averaged_copy(networks)
    before = [parameter.clone() for parameter in ema.parameters()]
    with torch.no_grad():
        for parameter in networks.parameters():
            parameter.add_(1.0)
    EmaUpdate(ema, networks)(0.75)
    for old, new in zip(before, ema.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.25)
        assert not new.requires_grad
