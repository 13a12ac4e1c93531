"""Our networks and losses against the numbers of the published implementation, for every golden folder at hand."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from nicegan.export.published import load_published, renamed
from nicegan.methods.base import Method, Phase, total
from nicegan.methods.nicegan.domain import translate
from nicegan.methods.nicegan.encoder import heatmap
from nicegan.methods.nicegan.phases import DiscriminatorPhase, GeneratorPhase, LossWeights
from nicegan.shapes import Batch

ROOT = Path(__file__).parents[2]
OUTPUT_TOLERANCE = 1e-5
TERM_TOLERANCE = 1e-5  # relative
GRADIENT_TOLERANCE = 1e-4  # of the gradient's norm
GRADIENT_FLOOR = 1e-7


def golden_folders() -> list[Path]:
    shared = Path(os.environ.get("NICEGAN_SHARED", ROOT.parent / "shared"))
    roots = [shared / "golden", *([Path(os.environ["NICEGAN_GOLDEN"])] if "NICEGAN_GOLDEN" in os.environ else [])]
    configs = [path for root in roots for path in sorted([*root.glob("config.json"), *root.glob("*/config.json")])]
    return [path.parent for path in configs if json.loads(path.read_text()).get("method") == "nicegan"]


FOLDERS = golden_folders()
pytestmark = pytest.mark.skipif(not FOLDERS, reason="no golden numbers: set NICEGAN_SHARED or NICEGAN_GOLDEN")


class Golden:
    """One folder: its expected numbers, and our method with its weights."""

    def __init__(self, folder: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        self.expected = load_file(folder / "expected.safetensors")
        self.spec, self.method = load_published(folder / "params.pt")
        self.batch = Batch(self.expected["real_A"], self.expected["real_B"])
        given = self.config["weights"]
        self.weights = LossWeights(given["adv"], given["cycle"], given["recon"])

    def group(self, prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in self.expected.items() if name.startswith(prefix)}


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


def phase_of(golden: Golden, kind: type[Phase], weights: LossWeights) -> Phase:
    old = next(phase for phase in golden.method.phases if isinstance(phase, kind))
    assert kind in (DiscriminatorPhase, GeneratorPhase)
    return kind(golden.method.domains, list(old.learns), weights)  # pyright: ignore[reportCallIssue, reportArgumentType]


def our_outputs(method: Method, batch: Batch) -> dict[str, Tensor]:
    a, b = method.domains
    out = {}
    for domain, image in ((a, batch.a), (b, batch.b)):
        reading = domain.read(image)
        out |= {f"{domain.name}/{head}": logits for head, logits in reading.verdict.heads().items()}
        out |= {f"{domain.name}/latent": reading.latent, f"{domain.name}/heatmap": heatmap(reading.latent)}
    for source, target, image in ((a, b, batch.a), (b, a, batch.b)):
        name = f"{source.name}2{target.name}"
        out[name] = translate(image, source, target)
        out[f"{name}2{source.name}"] = translate(out[name], target, source)
        out[f"{source.name}2{source.name}"] = translate(image, source, source)
    return out


def wrong_terms(terms: dict[str, Tensor], expected: dict[str, Tensor]) -> list[str]:
    """The terms that are missing or differ by more than the tolerance."""
    ours = {name.replace("/", "_").replace("reconstruction", "recon"): value for name, value in terms.items()}
    assert set(ours) == set(expected)
    return [
        name
        for name, value in expected.items()
        if not abs(ours[name].item() - value.item()) <= TERM_TOLERANCE * abs(value.item())
    ]


@pytest.mark.skipif("NICEGAN_GOLDEN" not in os.environ, reason="NICEGAN_GOLDEN is not set")
def test_the_named_folder_holds_golden_numbers() -> None:
    """A folder that is named and holds none is a mistake, not a reason to skip."""
    named = Path(os.environ["NICEGAN_GOLDEN"]).resolve()
    assert any(named in (folder.resolve(), *folder.resolve().parents) for folder in FOLDERS)


def test_the_architecture_is_read_from_the_tensors(golden: Golden) -> None:
    config, network = golden.config, golden.spec.network
    assert (network.base_channels, network.blocks, network.depth) == (config["ch"], config["n_res"], config["n_dis"])
    assert network.summary == ("pooled" if config["light"] else "flat")


def test_outputs(golden: Golden) -> None:
    with torch.no_grad():
        ours = our_outputs(golden.method, golden.batch)
    expected = golden.group("eval/")
    assert set(expected) == set(ours)
    assert {name: value.shape for name, value in expected.items()} == {name: ours[name].shape for name in expected}
    errors = {name: (ours[name] - value).abs().max().item() for name, value in expected.items()}
    assert all(error < OUTPUT_TOLERANCE for error in errors.values()), errors  # a NaN is not below either


@pytest.mark.parametrize(("kind", "prefix"), [(DiscriminatorPhase, "d_"), (GeneratorPhase, "g_")])
def test_terms_and_gradients(golden: Golden, kind: type[Phase], prefix: str) -> None:
    phase = phase_of(golden, kind, golden.weights)
    for domain in golden.method.domains:
        domain.zero_grad()
    terms = phase(golden.batch)
    assert not wrong_terms(terms, golden.group(f"{prefix}loss/"))

    total(terms).backward()
    gradients = {}
    for domain in golden.method.domains:
        for part, module in ((f"gen2{domain.name}", domain.generator), (f"dis{domain.name}", domain.discriminator)):
            gradients |= {f"{part}/{name}": p.grad for name, p in module.named_parameters() if p.grad is not None}
    expected = {}
    for name, value in golden.group(f"{prefix}grad/").items():
        part, _, parameter = name.partition("/")
        expected[f"{part}/{renamed(part, parameter)}"] = value
    assert set(gradients) == set(expected)  # none missing, and none that the phase should not have computed
    wrong = {
        name: (error, value.norm().item())
        for name, value in expected.items()
        if not (error := (gradients[name] - value.reshape(gradients[name].shape)).norm().item())
        <= GRADIENT_TOLERANCE * value.norm().item() + GRADIENT_FLOOR
    }
    assert not wrong, wrong


def test_a_cycle_weight_off_by_a_thousandth_is_caught(golden: Golden) -> None:
    weights = golden.weights._replace(cycle=golden.weights.cycle * 1.001)
    terms = phase_of(golden, GeneratorPhase, weights)(golden.batch)
    assert wrong_terms(terms, golden.group("g_loss/")) == ["A_cycle", "B_cycle"]
