"""U-GAT-IT's networks, losses and gradients against the published implementation's, for every golden folder at hand."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from nicegan.errors import CheckpointError
from nicegan.export.published import import_published, read_published
from nicegan.inference.translator import load
from nicegan.methods.base import Method, total
from nicegan.methods.ugatit.config import UGATIT, UGATITLoss
from nicegan.methods.ugatit.domain import UGATITDomain
from nicegan.methods.ugatit.published import renamed
from nicegan.shapes import Terms
from tests.parity.golden import (
    DOUBLE_TOLERANCE,
    OUTPUT_TOLERANCE,
    Golden,
    golden_folders,
    gradients_of,
    misses,
    output_misses,
)

FOLDERS = golden_folders("ugatit")
pytestmark = pytest.mark.skipif(not FOLDERS, reason="no golden numbers: set NICEGAN_SHARED or NICEGAN_GOLDEN")
CONVERGED = 30  # power iterations, in float64


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


def method_of(golden: Golden, dtype: torch.dtype, cam: float | None = None) -> Method:
    given = golden.config["weights"]
    found = read_published(golden.folder / "params.pt")
    assert isinstance(found.config, UGATIT)
    loss = UGATITLoss(
        adversarial=given["adv"], cycle=given["cycle"], identity=given["identity"], cam=cam or given["cam"]
    )
    size = golden.config["height"], golden.config["width"]
    method = found.config.model_copy(update={"loss": loss}).build(size)
    method.load_state_dict(found.state)
    method = method.to(dtype)
    for _ in range(CONVERGED if dtype == torch.float64 else 0):
        method.phases[0].after_update()
    return method


def test_the_architecture_is_read_from_the_tensors(golden: Golden) -> None:
    config = read_published(golden.folder / "params.pt").config
    assert isinstance(config, UGATIT)
    network, given = config.network, golden.config
    assert (network.base_channels, network.blocks) == (given["ch"], given["n_res"])
    assert (network.global_layers, network.local_layers) == (7, 5)
    assert (network.summary == "pooled") == given["light"]


def test_outputs(golden: Golden) -> None:
    method, batch = method_of(golden, torch.float32), golden.images(torch.float32)
    ours: dict[str, Tensor] = {}
    with torch.no_grad():
        for source in method.domains:
            target = next(domain for domain in method.domains if domain is not source)
            assert isinstance(source, UGATITDomain)
            for name, images in (("A", batch.a), ("B", batch.b)):
                latent, cam = source.encoder.read(images)
                view = f"{name}2{target.name}"
                ours |= {view: target.generator(latent), f"{view}_cam": cam}
                ours[f"{view}_heatmap"] = latent.sum(dim=1, keepdim=True)
        for domain, images in zip(method.domains, batch, strict=True):
            logits = domain.discriminator(images)
            for kind, head in (("G", "global"), ("L", "local")):
                ours |= {f"dis{kind}{domain.name}": logits[head], f"dis{kind}{domain.name}_cam": logits[f"{head}_cam"]}
    assert not output_misses(ours, golden.group("eval/"), OUTPUT_TOLERANCE)


def published_terms(terms: Terms, *, generator: bool) -> dict[str, Tensor]:
    """Our terms under the published names."""
    heads = {"global": "G{}", "global_cam": "G{}_cam", "local": "L{}", "local_cam": "L{}_cam"}
    names = {f"{domain}/{head}": theirs.format(domain) for domain in "AB" for head, theirs in heads.items()}
    if generator:
        names |= {f"{domain}/{kind}": f"{domain}_{kind}" for domain in "AB" for kind in ("cycle", "identity", "cam")}
    assert set(terms) == set(names)
    return {names[ours]: value for ours, value in terms.items()}


@pytest.mark.parametrize(("index", "prefix"), [(0, "d_"), (1, "g_")])
def test_terms_and_gradients_in_double_precision(golden: Golden, index: int, prefix: str) -> None:
    method, batch = method_of(golden, torch.float64), golden.images(torch.float64)
    terms = method.phases[index](batch)
    total(terms).backward()
    expected_terms = {key: value.view(()) for key, value in golden.group(f"{prefix}loss/", double=True).items()}
    assert not misses(published_terms(terms, generator=index == 1), expected_terms, DOUBLE_TOLERANCE)
    expected = {}
    for key, value in golden.group(f"{prefix}grad/", double=True).items():
        part, _, parameter = key.partition("/")
        expected[renamed(part, parameter)] = value
    assert not misses(gradients_of(method), expected, DOUBLE_TOLERANCE)


def test_a_cam_weight_off_by_a_thousandth_is_caught(golden: Golden) -> None:
    cam = golden.config["weights"]["cam"] * 1.001
    method, batch = method_of(golden, torch.float64, cam), golden.images(torch.float64)
    expected = {key: value.view(()) for key, value in golden.group("g_loss/", double=True).items()}
    found = published_terms(method.phases[1](batch), generator=True)
    assert set(misses(found, expected, DOUBLE_TOLERANCE)) == {"A_cam", "B_cam"}


def test_the_shares_of_the_normalisations_are_clipped(golden: Golden) -> None:
    method = method_of(golden, torch.float32)
    shares = [parameter for name, parameter in method.named_parameters() if name.endswith("rho")]
    assert shares
    with torch.no_grad():
        for number, share in enumerate(shares):
            share.fill_(1.5 if number % 2 else -0.5)
    method.phases[1].after_update()
    assert all(share.min() >= 0 and share.max() <= 1 for share in shares)


def test_it_becomes_a_model(golden: Golden, tmp_path: Path) -> None:
    checkpoint, out = golden.folder / "params.pt", tmp_path / "model.safetensors"
    spec, is_assumed = import_published(checkpoint, out)
    assert isinstance(spec.method, UGATIT)
    assert is_assumed
    assert spec.image_size == (256, 256)
    assert import_published(checkpoint, out, image_size=128).spec.image_size == (128, 128)
    with pytest.raises(CheckpointError, match="image size 30x30 is too small"):
        import_published(checkpoint, out, image_size=30)
    assert load(tmp_path / "model.safetensors", "cpu").translate(torch.zeros(1, 3, 40, 48), "A").shape == (1, 3, 40, 48)
