"""UNIT's networks, losses and gradients against the published implementation's, for every golden folder at hand."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from nicegan.export.published import import_published, read_published
from nicegan.inference.translator import load
from nicegan.methods.base import Method, Noise, total
from nicegan.methods.unit.config import UNIT, UNITLoss
from nicegan.methods.unit.published import renamed
from nicegan.shapes import Terms
from tests.parity.golden import DOUBLE_TOLERANCE, Golden, golden_folders, gradients_of, misses, output_misses

FOLDERS = golden_folders("unit")
pytestmark = pytest.mark.skipif(not FOLDERS, reason="no golden numbers: set NICEGAN_SHARED or NICEGAN_GOLDEN")
OUTPUT_TOLERANCE = 3e-5  # of float32 outputs, of the largest value
NOISE = {"d_": ("d_a", "d_b"), "g_": ("g_a", "g_a_recon", "g_b", "g_b_recon")}
GENERATOR_TERMS = {"reconstruction": "recon_x_{}", "kl": "kl_{}", "cycle": "cyc_x_{}"}


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


def method_of(golden: Golden, dtype: torch.dtype, kl: float | None = None) -> Method:
    given = golden.config["weights"]
    found = read_published(golden.folder)
    assert isinstance(found.config, UNIT)
    loss = UNITLoss(
        adversarial=given["gan"],
        reconstruction=given["recon_x"],
        kl=kl or given["recon_kl"],
        cycle=given["recon_x_cyc"],
        kl_cycle=given["recon_kl_cyc"],
    )
    method = found.config.model_copy(update={"loss": loss}).build((64, 64))
    method.load_state_dict(found.state)
    return method.to(dtype)


def noise_of(golden: Golden, prefix: str) -> Noise:
    return tuple(golden.expected[f"noise/{name}"].double() for name in NOISE[prefix])


def test_the_architecture_is_read_from_the_tensors(golden: Golden) -> None:
    config = read_published(golden.folder / "gen_00000001.pt").config
    assert isinstance(config, UNIT)
    network, given = config.network, golden.config
    assert (network.base_channels, network.blocks) == (given["dim"], given["n_res"])
    assert (network.discriminator_channels, network.discriminator_layers) == (given["dis_dim"], given["dis_layers"])
    assert network.discriminator_scales == given["dis_scales"]


def test_outputs(golden: Golden) -> None:
    method, batch = method_of(golden, torch.float32), golden.images(torch.float32)
    model = method.translation_model()
    with torch.no_grad():
        fakes = {"A2B": model.translate(batch.a, "B"), "B2A": model.translate(batch.b, "A")}
        ours: dict[str, Tensor] = {
            **fakes,
            "A2A": model.reconstruct(batch.a, "A"),
            "B2B": model.reconstruct(batch.b, "B"),
        }
        ours |= {"A2B2A": model.translate(fakes["A2B"], "A"), "B2A2B": model.translate(fakes["B2A"], "B")}
        ours |= {"content_A": model.encode(batch.a, "A"), "content_B": model.encode(batch.b, "B")}
        for domain, real, fake in zip(method.domains, batch, (fakes["B2A"], fakes["A2B"]), strict=True):
            for kind, images in (("real", real), ("fake", fake)):
                for number, logits in enumerate(domain.discriminator(images).values()):
                    ours[f"dis{domain.name}_{kind}_{number}"] = logits
    assert not output_misses(ours, golden.group("eval/"), OUTPUT_TOLERANCE)


def published_terms(terms: Terms, *, generator: bool) -> dict[str, Tensor]:
    """Our terms under the published names, in which a domain's scales are one term."""
    found: dict[str, Tensor] = {}
    for domain, theirs in (("A", "a"), ("B", "b")):
        scales = [value for name, value in terms.items() if name.startswith(f"{domain}/scale_")]
        found[f"adv_{theirs}" if generator else f"dis_{theirs}"] = torch.stack(scales).sum()
        for ours, name in GENERATOR_TERMS.items() if generator else ():
            found[name.format(theirs)] = terms[f"{domain}/{ours}"]
    if generator:
        found |= {"kl_cyc_aba": terms["A/kl_cycle"], "kl_cyc_bab": terms["B/kl_cycle"]}
    return found


@pytest.mark.parametrize(("index", "prefix"), [(0, "g_"), (1, "d_")])
def test_terms_and_gradients_in_double_precision(golden: Golden, index: int, prefix: str) -> None:
    method, batch = method_of(golden, torch.float64), golden.images(torch.float64)
    terms = method.phases[index](batch, noise_of(golden, prefix))
    total(terms).backward()
    expected_terms = {key: value.view(()) for key, value in golden.group(f"{prefix}loss/").items()}
    assert not misses(published_terms(terms, generator=prefix == "g_"), expected_terms, DOUBLE_TOLERANCE)
    expected = {}
    for key, value in golden.group(f"{prefix}grad/").items():
        part, _, parameter = key.partition("/")
        expected[renamed(part[:3], part[-1], parameter)] = value
    assert not misses(gradients_of(method), expected, DOUBLE_TOLERANCE)


def test_a_weight_off_by_a_thousandth_is_caught(golden: Golden) -> None:
    kl = golden.config["weights"]["recon_kl"] * 1.001
    method, batch = method_of(golden, torch.float64, kl), golden.images(torch.float64)
    found = published_terms(method.phases[0](batch, noise_of(golden, "g_")), generator=True)
    expected = {key: value.view(()) for key, value in golden.group("g_loss/").items()}
    assert set(misses(found, expected, DOUBLE_TOLERANCE)) == {"kl_a", "kl_b"}


def test_it_becomes_a_model(golden: Golden, tmp_path: Path) -> None:
    spec = import_published(golden.folder, tmp_path / "model.safetensors").spec
    assert isinstance(spec.method, UNIT)
    assert load(tmp_path / "model.safetensors", "cpu").translate(torch.zeros(1, 3, 40, 48), "A").shape == (1, 3, 40, 48)


def test_published_numbers_of_weights() -> None:
    with torch.device("meta"):
        domain = UNIT().build((256, 256)).domains[0]
    generators = sum(p.numel() for part in (domain.encoder, domain.generator) for p in part.parameters())
    assert generators == 11_140_483
    assert sum(p.numel() for p in domain.discriminator.parameters()) == 8_271_171
