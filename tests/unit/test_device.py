"""What a run says of the arithmetic it computes in."""

import time

import pytest
import torch

from nicegan import device as machine
from nicegan.device import Machine, bfloat16_cost


def test_the_cost_of_bfloat16_is_measured_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {torch.bfloat16: 0.04, torch.float32: 0.01}
    monkeypatch.setattr(torch.nn.functional, "conv2d", lambda image, kernel: time.sleep(seconds[image.dtype]))
    bfloat16_cost.cache_clear()
    state = torch.get_rng_state()
    assert 2 < bfloat16_cost() < 8, "4, but for a busy machine"
    assert torch.equal(state, torch.get_rng_state()), "a query takes no random numbers"
    assert bfloat16_cost() == bfloat16_cost()
    bfloat16_cost.cache_clear()


@pytest.mark.parametrize(
    ("cost", "words"), [(1.44, "bfloat16 (1.4 times slower here than float32)"), (0.6, "bfloat16")]
)
def test_a_run_says_when_bfloat16_slows_it_down(monkeypatch: pytest.MonkeyPatch, cost: float, words: str) -> None:
    monkeypatch.setattr(machine, "bfloat16_cost", lambda: cost)
    assert str(Machine(torch.device("cpu"), "bfloat16")).endswith(f", {words}")
    assert str(Machine(torch.device("cpu"), "float32")).endswith(", float32")
