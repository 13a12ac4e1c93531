"""The plain NICE-GAN step has our networks, whatever the number of shared layers."""

import pytest
from benchmarks.reference_nicegan import ReferenceStep
from torch import nn

from nicegan.methods.nicegan.config import NiceGAN


@pytest.mark.parametrize("shared_layers", [1, 2, 3])
def test_the_plain_networks_have_our_weights(shared_layers: int) -> None:
    tiny = NiceGAN.tiny()
    network = tiny.network.model_copy(update={"shared_layers": shared_layers, "depth": 7})
    ours = tiny.model_copy(update={"network": network}).build((96, 96))
    theirs = ReferenceStep(network.model_dump())
    assert shapes_of_weights(*theirs.modules()) == shapes_of_weights(*ours.domains)


def shapes_of_weights(*modules: nn.Module) -> list[tuple[int, ...]]:
    named = (pair for module in modules for pair in module.named_parameters())
    return sorted(tuple(p.shape) for name, p in named if name.endswith(("weight", "weight_orig")))
