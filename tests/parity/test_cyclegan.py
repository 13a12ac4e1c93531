"""CycleGAN's networks, losses and gradients against the published implementation's, for every golden folder at hand."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from nicegan.errors import CheckpointError
from nicegan.export.published import import_published, read_published
from nicegan.inference.translator import load
from nicegan.methods.base import Fakes, Method, total
from nicegan.methods.cyclegan.config import CycleGAN, CycleGANLoss
from nicegan.methods.cyclegan.published import renamed
from nicegan.shapes import Batch, Terms
from tests.parity.golden import (
    DOUBLE_TOLERANCE,
    OUTPUT_TOLERANCE,
    Golden,
    golden_folders,
    gradients_of,
    misses,
)

FOLDERS = golden_folders("cyclegan")
pytestmark = pytest.mark.skipif(not FOLDERS, reason="no golden numbers: set NICEGAN_SHARED or NICEGAN_GOLDEN")


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


def method_of(golden: Golden, dtype: torch.dtype, cycle: float | None = None) -> Method:
    given = golden.config["weights"]
    found = read_published(golden.folder)
    assert isinstance(found.config, CycleGAN)
    loss = CycleGANLoss(adversarial=given["gan"], cycle=cycle or given["cycle"], identity=given["identity"])
    network = found.config.network.model_copy(update={"pool_size": golden.config["pool"]})
    method = found.config.model_copy(update={"loss": loss, "network": network}).build((64, 64))
    method.load_state_dict(found.state)
    return method.to(dtype)


def test_the_architecture_is_read_from_the_tensors(golden: Golden) -> None:
    config = read_published(golden.folder / "latest_net_G_A.pth").config
    assert isinstance(config, CycleGAN)
    network, given = config.network, golden.config
    assert (network.base_channels, network.discriminator_channels) == (given["ngf"], given["ndf"])
    assert network.blocks == given["blocks"]


def test_outputs(golden: Golden) -> None:
    method, batch = method_of(golden, torch.float32), golden.images(torch.float32)
    model, discriminators = method.translation_model(), method.discriminators()
    with torch.no_grad():
        ours = {"A2B": model.translate(batch.a, "B"), "B2A": model.translate(batch.b, "A")}
        ours |= {"A2B2A": model.translate(ours["A2B"], "A"), "B2A2B": model.translate(ours["B2A"], "B")}
        # the published D_A is the discriminator of B
        ours |= {"D_A": discriminators["B"](batch.b)["patch"], "D_B": discriminators["A"](batch.a)["patch"]}
    expected = golden.group("eval/")
    assert set(expected) == set(ours)
    errors = {name: (ours[name] - value).abs().max().item() for name, value in expected.items()}
    assert all(error < OUTPUT_TOLERANCE for error in errors.values()), errors  # a NaN is not below either


def published_terms(terms: Terms) -> dict[str, Tensor]:
    """Our terms under the published names, in which A to B is A; a discriminator's two terms are one."""
    if "A/real" in terms:
        return {"D_A": terms["B/real"] + terms["B/fake"], "D_B": terms["A/real"] + terms["A/fake"]}
    names = {"G_A": "B/patch", "G_B": "A/patch", "cycle_A": "A/cycle", "cycle_B": "B/cycle"}
    names |= {"idt_A": "B/identity", "idt_B": "A/identity"}
    return {published: terms[ours] for published, ours in names.items()}


def run_phase(method: Method, name: str, batch: Batch) -> tuple[Terms, dict[str, Tensor]]:
    """The terms of a phase, and the gradients that it leaves anywhere, by our names."""
    fakes: Fakes = {}
    for phase in method.phases:
        method.zero_grad()
        noise = phase.noise(batch, torch.Generator())
        terms = phase(batch, noise, fakes)
        if phase.name == name:
            total(terms).backward()
            return terms, gradients_of(method)
    raise AssertionError(name)


@pytest.mark.parametrize(("name", "prefix"), [("generator", "g_"), ("discriminator", "d_")])
def test_terms_and_gradients_in_double_precision(golden: Golden, name: str, prefix: str) -> None:
    method, batch = method_of(golden, torch.float64), golden.images(torch.float64)
    terms, gradients = run_phase(method, name, batch)
    expected_terms = {key: value.view(()) for key, value in golden.group(f"{prefix}loss/", double=True).items()}
    assert not misses(published_terms(terms), expected_terms, DOUBLE_TOLERANCE)
    expected = {}
    for key, value in golden.group(f"{prefix}grad/", double=True).items():
        part, _, parameter = key.partition("/")
        expected[renamed(part, parameter, golden.config["blocks"], Path())] = value
    assert not misses(gradients, expected, DOUBLE_TOLERANCE)


def test_a_cycle_weight_off_by_a_thousandth_is_caught(golden: Golden) -> None:
    cycle = golden.config["weights"]["cycle"] * 1.001
    terms, _ = run_phase(method_of(golden, torch.float64, cycle), "generator", golden.images(torch.float64))
    expected_terms = {key: value.view(()) for key, value in golden.group("g_loss/", double=True).items()}
    assert set(misses(published_terms(terms), expected_terms, DOUBLE_TOLERANCE)) == {"cycle_A", "cycle_B"}


def test_an_imported_checkpoint_translates(golden: Golden, tmp_path: Path) -> None:
    spec = import_published(golden.folder, tmp_path / "model.safetensors").spec
    assert spec.method.title == "CycleGAN"
    translated = load(tmp_path / "model.safetensors", "cpu").translate(golden.expected["real_A"], "B")
    assert (translated - golden.expected["eval/A2B"]).abs().max() < OUTPUT_TOLERANCE


def test_running_statistics_of_old_files_are_passed_over_and_damage_is_not(golden: Golden, tmp_path: Path) -> None:
    files = sorted(golden.folder.glob("*.pth"))
    for file in files:
        state = torch.load(file, weights_only=True)
        state |= {"model.2.running_mean": torch.zeros(6), "model.2.num_batches_tracked": torch.tensor(3)}
        torch.save(state, tmp_path / file.name)
    assert read_published(tmp_path).config == read_published(golden.folder).config
    damaged = tmp_path / files[-1].name
    state = torch.load(damaged, weights_only=True)
    state["model.26.weight"][0] = float("nan")
    torch.save(state, damaged)
    with pytest.raises(CheckpointError, match="holds something else than finite numbers"):
        read_published(tmp_path)
    for file in tmp_path.glob("*.pth"):
        file.rename(tmp_path / "latest_net_G.pth")
    with pytest.raises(CheckpointError, match="one direction only"):
        read_published(tmp_path)
