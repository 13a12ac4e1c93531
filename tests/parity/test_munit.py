"""MUNIT's networks, losses and gradients against the published implementation's, for every golden folder at hand."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from nicegan.export.published import import_published, read_published
from nicegan.inference.translator import load
from nicegan.methods.base import Method, Noise, StyledModel, total
from nicegan.methods.munit import networks
from nicegan.methods.munit.config import MUNIT, MUNITLoss
from nicegan.methods.munit.domain import MUNITDomain
from nicegan.methods.munit.published import renamed
from nicegan.shapes import Terms
from tests.parity.golden import DOUBLE_TOLERANCE, Golden, golden_folders, gradients_of, misses, output_misses

FOLDERS = golden_folders("munit")
pytestmark = pytest.mark.skipif(not FOLDERS, reason="no golden numbers: set NICEGAN_SHARED or NICEGAN_GOLDEN")
OUTPUT_TOLERANCE = 3e-5  # of float32 outputs, of the largest value
STYLES = {"d_": ("d_s_b", "d_s_a"), "g_": ("s_b", "s_a")}
GENERATOR_TERMS = {"reconstruction": "recon_x_{}", "style": "recon_s_{}", "content": "recon_c_{}", "cycle": "cyc_x_{}"}


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


def method_of(golden: Golden, dtype: torch.dtype, style: float | None = None) -> Method:
    given = golden.config["weights"]
    found = read_published(golden.folder)
    assert isinstance(found.config, MUNIT)
    loss = MUNITLoss(
        adversarial=given["gan"],
        reconstruction=given["recon_x"],
        style=style or given["recon_s"],
        content=given["recon_c"],
        cycle=given["recon_x_cyc"],
    )
    method = found.config.model_copy(update={"loss": loss}).build((64, 64))
    method.load_state_dict(found.state)
    return method.to(dtype)


def noise_of(golden: Golden, prefix: str) -> Noise:
    return tuple(golden.expected[f"style/{name}"].double().flatten(1) for name in STYLES[prefix])


def test_the_architecture_is_read_from_the_tensors(golden: Golden) -> None:
    config = read_published(golden.folder / "gen_00000001.pt").config
    assert isinstance(config, MUNIT)
    network, given = config.network, golden.config
    assert (network.base_channels, network.blocks) == (given["dim"], given["n_res"])
    assert (network.discriminator_channels, network.discriminator_layers) == (given["dis_dim"], given["dis_layers"])
    assert network.discriminator_scales == given["dis_scales"]
    assert (network.style_features, network.mlp_features) == (given["style_dim"], given["mlp_dim"])


def test_outputs(golden: Golden) -> None:
    method, batch = method_of(golden, torch.float32), golden.images(torch.float32)
    model = method.translation_model()
    assert isinstance(model, StyledModel)
    styles_of = {name: golden.expected[f"style/s_{name.lower()}"].flatten(1) for name in "AB"}
    with torch.no_grad():
        contents = {"A": model.encode(batch.a, "A"), "B": model.encode(batch.b, "B")}
        styles = {"A": model.encode_style(batch.a, "A"), "B": model.encode_style(batch.b, "B")}
        fakes = {
            "A2B": model.decode(contents["A"], "B", styles_of["B"]),
            "B2A": model.decode(contents["B"], "A", styles_of["A"]),
        }
        ours: dict[str, Tensor] = {
            **fakes,
            "A2A": model.reconstruct(batch.a, "A"),
            "B2B": model.reconstruct(batch.b, "B"),
            "A2B2A": model.translate(fakes["A2B"], "A", styles["A"]),
            "B2A2B": model.translate(fakes["B2A"], "B", styles["B"]),
            "style_A2B": model.encode_style(fakes["A2B"], "B"),
            "style_B2A": model.encode_style(fakes["B2A"], "A"),
        }
        ours |= {f"content_{name}": content for name, content in contents.items()}
        ours |= {f"style_{name}": style for name, style in styles.items()}
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
    style = golden.config["weights"]["recon_s"] * 1.001
    method, batch = method_of(golden, torch.float64, style), golden.images(torch.float64)
    found = published_terms(method.phases[0](batch, noise_of(golden, "g_")), generator=True)
    expected = {key: value.view(()) for key, value in golden.group("g_loss/").items()}
    assert set(misses(found, expected, DOUBLE_TOLERANCE)) == {"recon_s_a", "recon_s_b"}


def test_scales_and_shifts_exchanged_are_caught(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted error: the layers' numbers are read as scales, then shifts."""
    method, batch = method_of(golden, torch.float64), golden.images(torch.float64)
    right = networks.adaptive_instance_norm
    monkeypatch.setattr(
        networks,
        "adaptive_instance_norm",
        lambda x, scale, shift, *, rectify: right(x, shift, scale, rectify=rectify),
    )
    found = published_terms(method.phases[0](batch, noise_of(golden, "g_")), generator=True)
    expected = {key: value.view(()) for key, value in golden.group("g_loss/").items()}
    assert set(misses(found, expected, DOUBLE_TOLERANCE)) == set(expected)


def test_without_a_cycle_its_pass_is_spared(golden: Golden) -> None:
    """As for drawings of edges, whose published weight is 0."""
    images, styles = golden.images(torch.float64), tuple(torch.zeros(2, 8, dtype=torch.float64) for _ in "ab")

    def terms_with(cycle: float) -> set[str]:
        config = MUNIT.tiny().model_copy(update={"loss": MUNITLoss(cycle=cycle)})
        return {name.partition("/")[2] for name in config.build((64, 64)).double().phases[0](images, styles)}

    assert terms_with(10) - terms_with(0) == {"cycle"}


def test_it_becomes_a_model(golden: Golden, tmp_path: Path) -> None:
    spec = import_published(golden.folder, tmp_path / "model.safetensors").spec
    assert isinstance(spec.method, MUNIT)
    assert load(tmp_path / "model.safetensors", "cpu").translate(torch.zeros(1, 3, 40, 48), "A").shape == (1, 3, 40, 48)


def test_published_numbers_of_weights() -> None:
    with torch.device("meta"):
        domain = MUNIT().build((256, 256)).domains[0]
    assert isinstance(domain, MUNITDomain)
    generator = domain.generator
    parts = {
        "content": domain.encoder,
        "style": domain.style_encoder,
        "mlp": generator.mlp,
        "all": domain.path(),
        "discriminator": domain.discriminator,
    }
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    assert (counts["all"], counts["discriminator"]) == (15_026_187, 8_271_171)
    assert [round(counts[name] / 1e6, 3) for name in ("content", "style", "mlp")] == [5.386, 2.765, 1.121]
