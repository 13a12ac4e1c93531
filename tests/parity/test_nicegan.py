"""NICE-GAN's networks, losses and gradients against the published implementation's, for every golden folder at hand."""

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nicegan.export.published import read_published
from nicegan.methods.base import Method, total
from nicegan.methods.nicegan.config import NiceGAN, NiceGANLoss
from nicegan.methods.nicegan.domain import IndependentDomain, NiceDomain
from nicegan.methods.nicegan.encoder import heatmap
from nicegan.methods.nicegan.published import renamed
from nicegan.nn import spectral
from nicegan.shapes import Batch, Terms
from tests.parity import golden as golden_numbers
from tests.parity.golden import DOUBLE_TOLERANCE, FLOOR, OUTPUT_TOLERANCE, golden_folders, gradients_of, misses

TERM_TOLERANCE = 1e-5  # relative
GRADIENT_TOLERANCE = 1e-4  # of a float32 gradient's norm
GRADIENT_FLOOR = FLOOR
NUM_ITERATIONS = 300  # of the power iteration, to converge in float64
PHASES = pytest.mark.parametrize(("name", "prefix"), [("discriminator", "d_"), ("generator", "g_")])

FOLDERS = golden_folders("nicegan")
pytestmark = pytest.mark.skipif(not FOLDERS, reason="no golden numbers: set NICEGAN_SHARED or NICEGAN_GOLDEN")


class Golden(golden_numbers.Golden):
    """One folder: its expected numbers, and the images and the checkpoint that they are of."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.batch = Batch(self.expected["real_A"], self.expected["real_B"])
        self.published = read_published(folder / "params.pt")

    def method(self, cycle: float | None = None) -> Method:
        given, config = self.config["weights"], self.published.config
        assert isinstance(config, NiceGAN)
        loss = NiceGANLoss(adversarial=given["adv"], cycle=cycle or given["cycle"], reconstruction=given["recon"])
        method = config.model_copy(update={"loss": loss}).build(self.published.size)
        method.load_state_dict(self.published.state)
        return method

    def terms(self, prefix: str, *, double: bool = False) -> dict[str, Tensor]:
        return {name: value.view(()) for name, value in self.group(f"{prefix}loss/", double=double).items()}

    def gradients(self, prefix: str, *, double: bool = False) -> dict[str, Tensor]:
        """By our names."""
        found = {}
        for key, value in self.group(f"{prefix}grad/", double=double).items():
            part, _, parameter = key.partition("/")
            network = "generator" if part.startswith("gen") else "discriminator"
            found[f"{part[-1]}.{network}.{renamed(part, parameter)}"] = value
        return found


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


def our_outputs(method: Method, batch: Batch) -> dict[str, Tensor]:
    a, b = method.domains
    model = method.translation_model()
    out = {}
    for domain, image in ((a, batch.a), (b, batch.b)):
        assert isinstance(domain, NiceDomain | IndependentDomain)
        reading = domain.read(image)
        out |= {f"{domain.name}/{head}": logits for head, logits in reading.logits.items()}
        out |= {f"{domain.name}/latent": reading.latent, f"{domain.name}/heatmap": heatmap(reading.latent)}
    for source, target, image in ((a, b, batch.a), (b, a, batch.b)):
        name = f"{source.name}2{target.name}"
        out[name] = model.translate(image, target.name)
        out[f"{name}2{source.name}"] = model.translate(out[name], source.name)
        out[f"{source.name}2{source.name}"] = model.reconstruct(image, source.name)
    return out


def run_phase(method: Method, name: str, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The terms of a phase by their published names, and the gradients that it leaves anywhere by ours."""
    terms: Terms = next(phase for phase in method.phases if phase.name == name)(batch)
    total(terms).backward()
    published = {key.replace("/", "_").replace("reconstruction", "recon"): term for key, term in terms.items()}
    return published, gradients_of(method)


def wrong_terms(terms: dict[str, Tensor], expected: dict[str, Tensor]) -> list[str]:
    """The terms that differ by more than the tolerance; none may be missing."""
    assert set(terms) == set(expected)
    return [
        name
        for name, value in expected.items()
        if not abs(terms[name].item() - value.item()) <= TERM_TOLERANCE * abs(value.item())
    ]


@pytest.mark.skipif("NICEGAN_GOLDEN" not in os.environ, reason="NICEGAN_GOLDEN is not set")
def test_the_named_folder_holds_golden_numbers() -> None:
    """A folder that is named and holds none is a mistake, not a reason to skip."""
    named = Path(os.environ["NICEGAN_GOLDEN"]).resolve()
    assert any(named in (folder.resolve(), *folder.resolve().parents) for folder in FOLDERS)


def test_the_architecture_is_read_from_the_tensors(golden: Golden) -> None:
    config, published = golden.config, golden.published.config
    assert isinstance(published, NiceGAN)
    network = published.network
    assert (network.base_channels, network.blocks, network.depth) == (config["ch"], config["n_res"], config["n_dis"])
    assert network.summary == ("pooled" if config["light"] else "flat")


def test_outputs(golden: Golden) -> None:
    with torch.no_grad():
        ours = our_outputs(golden.method(), golden.batch)
    expected = golden.group("eval/")
    assert set(expected) == set(ours)
    assert {name: value.shape for name, value in expected.items()} == {name: ours[name].shape for name in expected}
    errors = {name: (ours[name] - value).abs().max().item() for name, value in expected.items()}
    assert all(error < OUTPUT_TOLERANCE for error in errors.values()), errors  # a NaN is not below either


@PHASES
def test_terms_and_gradients(golden: Golden, name: str, prefix: str) -> None:
    """Of the gradients, those that are known in float64 are compared there: rounding moves theirs in float32."""
    terms, gradients = run_phase(golden.method(), name, golden.batch)
    assert not wrong_terms(terms, golden.terms(prefix))
    expected = golden.gradients(prefix)
    assert set(gradients) == set(expected)  # none missing, and none that the phase should not have computed
    if not golden.double:
        assert not misses(gradients, expected, GRADIENT_TOLERANCE)


@PHASES
def test_terms_and_gradients_in_double_precision(golden: Golden, name: str, prefix: str) -> None:
    if not golden.double:
        pytest.skip("no expected_float64.safetensors: compared in float32")
    method = golden.method().double()
    for _ in range(NUM_ITERATIONS):
        spectral.iterate(method)
    terms, gradients = run_phase(method, name, Batch(*(side.double() for side in golden.batch)))
    assert not wrong_terms(terms, golden.terms(prefix, double=True))
    assert not misses(gradients, golden.gradients(prefix, double=True), DOUBLE_TOLERANCE)


def test_a_cycle_weight_off_by_a_thousandth_is_caught(golden: Golden) -> None:
    method = golden.method(cycle=golden.config["weights"]["cycle"] * 1.001)
    terms, _ = run_phase(method, "generator", golden.batch)
    assert wrong_terms(terms, golden.terms("g_")) == ["A_cycle", "B_cycle"]
