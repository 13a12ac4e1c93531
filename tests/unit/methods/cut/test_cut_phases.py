"""What the discriminators of CUT see: the fakes of the generators' own pass."""

import pytest
import torch
from tests.methods.conftest import run

from nicegan.methods.base import Fakes
from nicegan.methods.cut.config import CUT
from nicegan.shapes import Batch


@pytest.mark.parametrize("flip_equivariance", [False, True])
def test_the_discriminators_take_the_fakes_of_the_generators_pass(flip_equivariance: bool) -> None:
    tiny = CUT.tiny()
    loss = tiny.loss.model_copy(update={"flip_equivariance": flip_equivariance})
    method = tiny.model_copy(update={"loss": loss}).build((64, 64))
    generator, discriminator = method.phases
    images = Batch(*(torch.rand(2, 3, 64, 64) * 2 - 1 for _ in "ab"))
    fakes: Fakes = {}
    run(generator, images, fakes)
    assert set(fakes) == {"A", "B"}
    found, own = run(discriminator, images, fakes), run(discriminator, images, {})
    same = {name: torch.allclose(found[name], own[name]) for name in own}
    if not flip_equivariance:
        assert all(same.values())
    else:  # a mirrored source has another fake; whether it is mirrored is drawn for each direction
        assert all(same[f"{domain}/real"] for domain in "AB")
    found = run(discriminator, images, {name: fake + 1 for name, fake in fakes.items()})
    assert not torch.allclose(found["A/fake"], own["A/fake"]), "planted error: other fakes"
