"""DRIT's networks, losses and gradients against the published implementation's, for every golden folder at hand."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nicegan.export.published import import_published, read_published
from nicegan.inference.translator import load
from nicegan.methods.base import HasStyles, Noise, total
from nicegan.methods.drit.build import DRITMethod
from nicegan.methods.drit.config import DRIT, DRITLoss, DRITNetwork
from nicegan.methods.drit.encoders import GaussianStyleEncoder
from nicegan.methods.drit.published import renamed
from nicegan.shapes import Batch, Terms
from tests.parity.golden import DOUBLE_TOLERANCE, Golden, golden_folders, gradients_of, misses

FOLDERS = golden_folders("drit")
pytestmark = pytest.mark.skipif(not FOLDERS, reason="no golden numbers: set NICEGAN_SHARED or NICEGAN_GOLDEN")
TERMS = {
    "d": {"disA": "A/encoded_scale", "disA2": "A/random_scale", "disB": "B/encoded_scale", "disB2": "B/random_scale"},
    "dc": {"disContent": "?/content"},
    "g": {
        "gan_{}": "?/encoded_scale", "gan_content_{}": "?/content", "l1_cross_{}": "?/cross_cycle",
        "l1_self_{}": "?/reconstruction", "kl_za_{}": "?/style_kl", "kl_zc_{}": "?/content_square",
    },
    "g2": {"gan2_{}": "?/random_scale", "z_l1_{}": "?/style_regression"},
}  # fmt: skip
PHASES = {"g": 0, "g2": 1, "d": 2, "dc": 3}


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


def method_of(golden: Golden, factor: float = 1.0) -> DRITMethod:
    """The networks in float64, with one weight of the losses off by a factor."""
    given = golden.config["weights"]
    found = read_published(golden.folder / "00000.pth")
    assert isinstance(found.config, DRIT)
    loss = DRITLoss(
        adversarial=given["gan"],
        content=given["content"],
        cross_cycle=given["cross_cycle"],
        reconstruction=given["self_recon"],
        style_regression=given["latent"] * factor,
        style_kl=given["kl_attr"],
        content_square=given["l2_content"],
    )
    method = found.config.model_copy(update={"loss": loss}).build((216, 216))
    assert isinstance(method, DRITMethod)
    method.load_state_dict(found.state)
    return method.double()


def batch_of(golden: Golden) -> Batch:
    return Batch(golden.expected["real_A"].double(), golden.expected["real_B"].double())


def noise_of(golden: Golden, prefix: str) -> Noise:
    """The stored random numbers of a phase, in its order; points have no noise, and pass over what is given."""
    random = golden.expected["z_random"].double()
    no_noise = torch.zeros_like(random)

    def content(name: str) -> Tensor:
        return golden.expected[f"noise/{name}"].double()

    def style(name: str) -> Tensor:
        return golden.expected.get(f"eps/{name}", no_noise).double()

    of_domain = {
        "d": lambda x: (content(f"real_{x}"), style(f"real_{x}"), random),
        "dc": lambda x: (content(f"real_{x}"),),
        "g": lambda x: (content(f"real_{x}"), style(f"real_{x}"), content(f"fake_{x}"), style(f"fake_{x}")),
        "g2": lambda x: (content(f"real_{x}"), random),
    }[prefix]
    return (*of_domain("A"), *of_domain("B"))


def test_the_architecture_is_read_from_the_tensors(golden: Golden) -> None:
    config = read_published(golden.folder / "00000.pth").config
    assert isinstance(config, DRIT)
    given = golden.config
    assert config.network == DRITNetwork(
        base_channels=given["dim"],
        style_input="concatenated" if given["concat"] else "mixed",
        style_features=given["nz"],
        discriminator_channels=given["dim"],
        discriminator_layers=given["dis_layers"],
        discriminator_scales=given["dis_scales"],
    )


def test_outputs(golden: Golden) -> None:
    method, batch = method_of(golden), batch_of(golden)
    model, stride = method.translation_model(), golden.config["eval_stride"]
    assert isinstance(model, HasStyles)
    ours: dict[str, Tensor] = {}
    with torch.no_grad():
        styles = {"A": model.encode_style(batch.a, "A"), "B": model.encode_style(batch.b, "B")}
        shown = {"A2B": model.translate(batch.a, "B", golden.expected["z_eval"].double())}
        shown["B2A"] = model.translate(batch.b, "A", golden.expected["z_eval"].double())
        shown |= {"A2B_attr": model.translate(batch.a, "B", styles["B"])}
        shown |= {"B2A_attr": model.translate(batch.b, "A", styles["A"])}
        shown |= {"A2A": model.reconstruct(batch.a, "A"), "B2B": model.reconstruct(batch.b, "B")}
        back = [model.encode_style(shown[f"{name}_attr"], name[-1]) for name in ("B2A", "A2B")]  # pyright: ignore[reportArgumentType]
        shown["A2B2A"] = model.translate(shown["A2B_attr"], "A", back[0])
        shown["B2A2B"] = model.translate(shown["B2A_attr"], "B", back[1])
        for domain, image in zip(method.domains, batch, strict=True):
            name = domain.name
            content = shown[f"content_{name}"] = model.encode(image, name)
            ours[f"attr_{name}"] = styles[name]
            ours[f"disContent_{name}"] = method.content_discriminator(content)["content"].flatten()
            for kind, theirs in (("encoded", f"dis{name}"), ("random", f"dis{name}2")):
                for number, logits in enumerate(getattr(domain.discriminator, kind)(image).values()):
                    ours[f"{theirs}_{number}"] = logits
            if isinstance(domain.style_encoder, GaussianStyleEncoder):
                ours[f"attr_logvar_{name}"] = domain.style_encoder.moments(image)[1]
    ours |= {name: image[:, :, ::stride, ::stride] for name, image in shown.items()}
    assert not misses(ours, golden.group("eval/"), DOUBLE_TOLERANCE)


def published_terms(terms: Terms, prefix: str) -> dict[str, Tensor]:
    """Our terms under the published names; "?" is a domain, and the scales of a discriminator are one term."""
    found: dict[str, Tensor] = {}
    for theirs, ours in TERMS[prefix].items():
        for domain in "AB":
            name, own_name = theirs.format(domain.lower()), ours.replace("?", domain)
            own = [value for key, value in terms.items() if re.fullmatch(own_name + r"(_\d)?", key)]
            if theirs == "disContent":  # both domains are one term
                own = list(terms.values())
            found[name] = torch.stack(own).sum()
    return found


def expected_terms(golden: Golden, prefix: str) -> dict[str, Tensor]:
    return {key: value.view(()) for key, value in golden.group(f"{prefix}_loss/").items()}


def expected_gradients(golden: Golden, prefix: str) -> dict[str, Tensor]:
    """The published gradients under our names."""
    expected = {}
    for key, value in golden.group(f"{prefix}_grad/").items():
        part, _, parameter = key.partition("/")
        expected[renamed(part, parameter)] = value
    return expected


@pytest.mark.parametrize("prefix", PHASES)
def test_terms_and_gradients_in_double_precision(golden: Golden, prefix: str) -> None:
    method, batch = method_of(golden), batch_of(golden)
    phase = method.phases[PHASES[prefix]]
    terms = phase(batch, noise_of(golden, prefix))
    total(terms).backward()
    assert not misses(published_terms(terms, prefix), expected_terms(golden, prefix), DOUBLE_TOLERANCE)
    assert not misses(gradients_of(method), expected_gradients(golden, prefix), DOUBLE_TOLERANCE)
    if prefix == "dc":
        norm = torch.nn.utils.clip_grad_norm_(phase.parameters(), 5.0)
        assert norm.item() == pytest.approx(golden.expected["dc_grad_norm"].item(), rel=DOUBLE_TOLERANCE)


def test_a_weight_off_by_a_thousandth_is_caught(golden: Golden) -> None:
    method, batch = method_of(golden, factor=1.001), batch_of(golden)
    found = published_terms(method.phases[PHASES["g2"]](batch, noise_of(golden, "g2")), "g2")
    assert set(misses(found, expected_terms(golden, "g2"), DOUBLE_TOLERANCE)) == {"z_l1_a", "z_l1_b"}


def test_it_becomes_a_model(golden: Golden, tmp_path: Path) -> None:
    spec = import_published(golden.folder / "00000.pth", tmp_path / "model.safetensors").spec
    assert isinstance(spec.method, DRIT)
    assert load(tmp_path / "model.safetensors", "cpu").translate(torch.zeros(1, 3, 40, 48), "A").shape == (1, 3, 40, 48)


@pytest.mark.parametrize(
    ("style_input", "encoders", "style_encoders", "generators"),
    [("mixed", 9_018_112, 5_529_872, 17_146_374), ("concatenated", 9_018_112, 2_688_160, 9_564_710)],
)
def test_published_numbers_of_weights(style_input: str, encoders: int, style_encoders: int, generators: int) -> None:
    network = DRITNetwork.model_validate({"style_input": style_input})
    with torch.device("meta"):
        method = DRIT(network=network).build((216, 216))

    assert isinstance(method, DRITMethod)

    def count(part: str) -> int:
        return sum(p.numel() for p in torch.nn.ModuleList(getattr(d, part) for d in method.domains).parameters())

    assert count("encoder") == encoders
    assert count("style_encoder") == style_encoders
    assert count("generator") == generators
    assert count("discriminator") == 4 * 8_271_171
    assert sum(p.numel() for p in method.content_discriminator.parameters()) == 10_683_649
