"""The plain CycleGAN step that speed is measured against computes what ours computes."""

from pathlib import Path

import torch
from benchmarks.reference_cyclegan import ReferenceStep

from nicegan.device import Machine
from nicegan.methods.cyclegan.config import CycleGAN, CycleGANNetwork
from nicegan.methods.cyclegan.published import renamed
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch
from nicegan.training.state import new_state
from nicegan.training.step import Stepper

NETWORK = CycleGANNetwork(base_channels=4, blocks=2, discriminator_channels=4, pool_size=0)


def test_one_step_moves_the_weights_as_ours_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = RunConfig(data=tmp_path, method=CycleGAN(network=NETWORK), image_size=32, device="cpu")
    state = new_state(config, torch.device("cpu"))
    reference = ReferenceStep(NETWORK.model_dump())
    pairs = {}
    parts = {"G_A": reference.to_b, "G_B": reference.to_a, "D_B": reference.dis_a, "D_A": reference.dis_b}
    for part, module in parts.items():
        for name, parameter in module.named_parameters():
            published = f"model.{name.replace('.layers.', '.conv_block.')}"
            pairs[renamed(part, published, NETWORK.blocks, tmp_path)] = parameter
    ours = dict(state.method.named_parameters())
    assert pairs.keys() == ours.keys()
    with torch.no_grad():
        for name, parameter in pairs.items():
            parameter.copy_(ours[name])
    before = {name: parameter.detach().clone() for name, parameter in pairs.items()}
    images = Batch(*(torch.rand(1, 3, 32, 32) * 2 - 1 for _ in "ab"))
    reference(*images)
    Stepper(state, config, Machine(torch.device("cpu"), "float32"))(images)
    for name, parameter in pairs.items():
        moved = (parameter - before[name]).abs().mean()
        difference = (ours[name].detach() - parameter).abs().mean()
        # Adam's first step has the size of the rate whatever the gradient: rounding of a zero gradient is a full step.
        assert name.endswith("bias") or difference < 0.05 * moved, name
