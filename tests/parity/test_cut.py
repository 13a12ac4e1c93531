"""CUT's networks, losses and gradients against the published implementation's, for every golden folder at hand."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nicegan.errors import CheckpointError
from nicegan.export.published import import_published, read_published
from nicegan.inference.translator import load
from nicegan.methods.base import Method, Noise, total
from nicegan.methods.cut.config import CUT, CUTLoss
from nicegan.methods.cut.phases import GeneratorPhase, layers_of
from nicegan.methods.cut.published import renamed
from nicegan.shapes import Batch, Terms
from tests.parity.golden import DOUBLE_TOLERANCE, Golden, golden_folders, gradients_of, misses

FOLDERS = golden_folders("cut")
pytestmark = pytest.mark.skipif(not FOLDERS, reason="no golden numbers: set NICEGAN_SHARED or NICEGAN_GOLDEN")
OUTPUT_TOLERANCE = 3e-5  # of float32 outputs and features, absolute


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


@pytest.fixture
def both(golden: Golden, tmp_path: Path) -> Path:
    """The published files are of one direction; here they serve as both."""
    for name in ("a_to_b", "b_to_a"):
        shutil.copytree(golden.folder, tmp_path / "both" / name)
    return tmp_path / "both"


def method_of(golden: Golden, both: Path, dtype: torch.dtype, contrastive: float = 0.5) -> Method:
    found = read_published(both)
    assert isinstance(found.config, CUT)
    given = golden.config
    loss = CUTLoss(
        adversarial=given["weights"]["gan"],
        contrastive=contrastive * given["weights"]["nce"],
        identity=0.5 * given["weights"]["nce"],
        temperature=given["temperature"],
        patches=given["num_patches"],
    )
    method = found.config.model_copy(update={"loss": loss}).build((64, 64))
    method.load_state_dict(found.state)
    return method.to(dtype)


def indices_of(golden: Golden) -> Noise:
    one_way = [golden.expected[f"patch_ids/{call}_{layer}"] for call in ("nce", "nce_y") for layer in range(5)]
    return (*one_way, torch.ones(1)) * 2


def test_the_architecture_is_read_from_the_tensors(golden: Golden, both: Path) -> None:
    config = read_published(both).config
    assert isinstance(config, CUT)
    network, given = config.network, golden.config
    assert (network.base_channels, network.discriminator_channels) == (given["ngf"], given["ndf"])
    assert (network.blocks, network.patch_features) == (given["blocks"], given["netF_nc"])


def test_outputs_and_features_of_patches(golden: Golden, both: Path) -> None:
    method, batch = method_of(golden, both, torch.float32), golden.images(torch.float32)
    model, discriminators = method.translation_model(), method.discriminators()
    a, b = method.domains
    indices = list(indices_of(golden)[:5])
    with torch.no_grad():
        fake = model.translate(batch.a, "B")
        ours: dict[str, Tensor] = {"A2B": fake, "B2B": model.reconstruct(batch.b, "B")}
        ours |= {"D_fake": discriminators["B"](fake)["patch"], "D_real": discriminators["B"](batch.b)["patch"]}
        for kind, images in (("k", batch.a), ("q", fake)):
            described = a.sampler(layers_of(a, b, images), indices)  # pyright: ignore[reportCallIssue, reportArgumentType]
            ours |= {f"feature_{kind}_{layer}": vectors.flatten(0, 1) for layer, vectors in enumerate(described)}
    expected = golden.group("eval/")
    assert set(expected) == set(ours)
    errors = {name: (ours[name] - value).abs().max().item() for name, value in expected.items()}
    assert all(error < OUTPUT_TOLERANCE for error in errors.values()), errors  # a NaN is not below either


def run_phase(method: Method, name: str, golden: Golden, batch: Batch) -> tuple[Terms, dict[str, Tensor]]:
    """A to B alone: the terms of a phase, and the gradients that it leaves anywhere, by our names."""
    (phase,) = (phase for phase in method.phases if phase.name == name)
    noise = indices_of(golden) if isinstance(phase, GeneratorPhase) else ()
    terms = {term: value for term, value in phase(batch, noise).items() if term.startswith("B/")}
    total(terms).backward()
    return terms, gradients_of(method)


NAMES = {"B/real": "D_real", "B/fake": "D_fake", "B/patch": "G_GAN", "B/contrastive": "NCE", "B/identity": "NCE_Y"}


@pytest.mark.parametrize(("name", "prefix"), [("generator", "g_"), ("discriminator", "d_")])
def test_terms_and_gradients_in_double_precision(golden: Golden, both: Path, name: str, prefix: str) -> None:
    method, batch = method_of(golden, both, torch.float64), golden.images(torch.float64)
    terms, gradients = run_phase(method, name, golden, batch)
    expected_terms = {key: value.view(()) for key, value in golden.group(f"{prefix}loss/").items()}
    assert not misses({NAMES[term]: value for term, value in terms.items()}, expected_terms, DOUBLE_TOLERANCE)
    expected = {}
    for key, value in golden.group(f"{prefix}grad/").items():
        part, _, parameter = key.partition("/")
        expected[renamed(part, parameter, golden.config["blocks"], "A", "B")] = value
    assert not misses(gradients, expected, DOUBLE_TOLERANCE)


def test_a_weight_off_by_a_thousandth_is_caught(golden: Golden, both: Path) -> None:
    method, batch = method_of(golden, both, torch.float64, 0.5 * 1.001), golden.images(torch.float64)
    terms, _ = run_phase(method, "generator", golden, batch)
    expected = {key: value.view(()) for key, value in golden.group("g_loss/").items()}
    assert set(misses({NAMES[term]: value for term, value in terms.items()}, expected, DOUBLE_TOLERANCE)) == {"NCE"}


def test_both_directions_become_a_model_and_one_alone_is_refused(both: Path, tmp_path: Path) -> None:
    spec = import_published(both, tmp_path / "model.safetensors").spec
    assert isinstance(spec.method, CUT)
    assert load(tmp_path / "model.safetensors", "cpu").translate(torch.zeros(1, 3, 40, 48), "A").shape == (1, 3, 40, 48)
    with pytest.raises(CheckpointError, match="is of one direction: a model needs both, as a_to_b and b_to_a"):
        read_published(both / "a_to_b")
    shutil.rmtree(both / "b_to_a")
    with pytest.raises(CheckpointError, match="has a_to_b only: a model needs a_to_b and b_to_a"):
        read_published(both)


def test_published_numbers_of_weights() -> None:
    with torch.device("meta"):
        method = CUT().build((256, 256))
    a, b = method.domains
    count = {
        "G": sum(p.numel() for part in (a.encoder, b.generator) for p in part.parameters()),
        "D": sum(p.numel() for p in b.discriminator.parameters()),
        "F": sum(p.numel() for p in a.get_submodule("sampler").parameters()),
    }
    assert count == {"G": 11_378_179, "D": 2_764_737, "F": 560_384}
