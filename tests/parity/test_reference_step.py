"""The step that ours is measured against does the published step's work: its gradients, at its weights."""

import itertools

import pytest
import torch
from benchmarks.reference_nicegan import ReferenceStep
from torch import Tensor, nn

from tests.parity.test_nicegan import FOLDERS, GRADIENT_FLOOR, GRADIENT_TOLERANCE, Golden

LIGHT = [folder for folder in FOLDERS if folder.name == "light_128"]
NAMES = {  # published -> the reference's
    "gen": {"UpBlock0.": "entry.", "UpBlock2.": "exit.", "FC.": "fc."}
    | {f"UpBlock1_{i}.conv{j}.": f"blocks.{i - 1}.conv{j}.1." for i in range(1, 9) for j in (1, 2)}
    | {f"UpBlock1_{i}.norm{j}.": f"blocks.{i - 1}.norm{j}." for i in range(1, 9) for j in (1, 2)},
    "dis": {"model.": "encoder.", "conv0.": "local_head.4.", "conv1.": "global_head.4."}
    | {"Dis0_0.": "local_trunk.", "Dis0_1.": "local_head.", "Dis1_0.": "global_trunk.", "Dis1_1.": "global_head."},
}
pytestmark = pytest.mark.skipif(not LIGHT, reason="no golden numbers: set NICEGAN_SHARED")


def renamed(part: str, name: str) -> str:
    for old, new in NAMES[part].items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def loaded(golden: Golden) -> ReferenceStep:
    """The reference with the published weights, and optimizers that leave them as they are."""
    reference = ReferenceStep(golden.published.config.model_dump()["network"])
    stored = torch.load(LIGHT[0] / "params.pt", weights_only=True)
    for part, net in parts(reference).items():
        net.load_state_dict({renamed(part[:3], name): value for name, value in stored[part].items()})
    for optimizer in (reference.d_optim, reference.g_optim):
        optimizer.param_groups[0]["lr"] = 0.0
    return reference


def parts(reference: ReferenceStep) -> dict[str, nn.Module]:
    return dict(zip(("gen2A", "gen2B", "disA", "disB"), reference.modules(), strict=True))


def wrong_gradients(reference: ReferenceStep, expected: dict[str, Tensor]) -> list[str]:
    nets, wrong = parts(reference), []
    for name, value in expected.items():
        part, _, parameter = name.partition("/")
        gradient = nets[part].get_parameter(renamed(part[:3], parameter)).grad
        error = torch.inf if gradient is None else (gradient - value).norm().item()
        if not error <= GRADIENT_TOLERANCE * value.norm().item() + GRADIENT_FLOOR:
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("phase", ["d", "g"])
def test_both_phases_have_the_published_gradients(phase: str) -> None:
    golden = Golden(LIGHT[0])
    reference = loaded(golden)
    expected = golden.group(f"{phase}_grad/")
    run = reference.discriminator_phase if phase == "d" else reference.generator_phase
    run(*golden.batch)
    assert not wrong_gradients(reference, expected)
    trained = itertools.chain.from_iterable(
        net.parameters() for part, net in parts(reference).items() if part.startswith("dis" if phase == "d" else "gen")
    )
    assert len(expected) == len(list(trained))
