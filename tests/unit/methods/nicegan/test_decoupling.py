"""Who learns when: decoupling by construction, and the ablations that undo it."""

import pytest
import torch
from tests.conftest import TINY
from torch import nn

from nicegan.methods.base import Method, Phase, frozen, total
from nicegan.methods.nicegan.build import build_method
from nicegan.methods.nicegan.config import NiceGAN, NiceGANLoss, NiceGANNetwork
from nicegan.nn.spectral import SpectralConv2d
from nicegan.shapes import Batch


def method_with(**switches: object) -> Method:
    network = NiceGANNetwork.model_validate({**TINY.model_dump(), **switches})
    return build_method(NiceGAN(network=network), (64, 64))


def ids(*modules: nn.Module) -> set[int]:
    return {id(parameter) for module in modules for parameter in module.parameters()}


def learned(method: Method, name: str) -> set[int]:
    return ids(phase_named(method, name))


def phase_named(method: Method, name: str) -> Phase:
    return next(phase for phase in method.phases if phase.name == name)


def with_gradient(method: Method) -> set[int]:
    return {id(p) for domain in method.domains for p in domain.parameters() if p.grad is not None}


SWITCHES: list[dict[str, object]] = [
    {},
    {"encoder": "independent"},
    {"attention": "none"},
    {"attention": "plain"},
    {"attention": "none", "classifiers": ["local"]},
    {"encoder": "independent", "attention": "none"},
    {"classifiers": ["cam"]},
    {"classifiers": ["cam"], "encoder": "independent"},
    {"classifiers": ["cam"], "encoder_trained_by": "generator"},
    {"classifiers": ["local", "global"]},
    {"encoder_trained_by": "generator"},
    {"encoder_trained_by": "generator", "classifiers": ["local"]},
    {"shared_layers": 1},
    {"summary": "flat"},
]


COUPLED: list[dict[str, object]] = [
    {"encoder_trained_by": "both"},
    {"encoder_trained_by": "both", "classifiers": ["cam"]},
    {"encoder_trained_by": "both", "classifiers": ["local"], "attention": "plain"},
]


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_the_phases_partition_all_parameters(switches: dict[str, object]) -> None:
    method = method_with(**switches)
    discriminating, generating = (ids(phase) for phase in method.phases)
    assert discriminating.isdisjoint(generating)
    assert discriminating | generating == ids(*method.domains)


@pytest.mark.parametrize("switches", [*SWITCHES, *COUPLED], ids=str)
def test_a_phase_computes_gradients_for_its_own_parameters_and_no_other(
    switches: dict[str, object], batch: Batch
) -> None:
    """No unused parameters either, so that a phase can be a unit of distributed training."""
    method = method_with(**switches)
    for phase in method.phases:
        total(phase(batch)).backward()
        assert with_gradient(method) == ids(phase)
        for domain in method.domains:
            domain.zero_grad()


def test_the_decoupled_encoder_learns_with_the_discriminator() -> None:
    method = method_with()
    for domain in method.domains:
        assert ids(domain.encoder) <= learned(method, "discriminator")


@pytest.mark.parametrize("player", ["generator", "both"])
def test_who_trains_the_encoder(player: str) -> None:
    method = method_with(encoder_trained_by=player)
    for domain in method.domains:
        assert domain.encoder.attention is not None
        encoding = ids(domain.encoder.layers, domain.encoder.attention)
        assert encoding <= learned(method, "generator")
        assert encoding.isdisjoint(learned(method, "discriminator")) == (player == "generator")
        assert domain.encoder.cam is not None
        assert ids(domain.encoder.cam) <= learned(method, "discriminator")  # the classifier C0


def test_an_independent_encoder_learns_with_the_generators() -> None:
    method = method_with(encoder="independent")
    for domain in method.domains:
        assert ids(domain.encoder) <= learned(method, "generator")


def test_latents_of_real_images_carry_no_graph_in_the_generator_phase(batch: Batch) -> None:
    method = method_with()
    source = method.domains[0]
    seen = []
    source.encoder.register_forward_hook(lambda module, inputs, latent: seen.append(latent))
    phase_named(method, "generator")(batch)
    assert [latent.requires_grad for latent in seen] == [False]


def test_fakes_carry_no_graph_in_the_discriminator_phase(batch: Batch) -> None:
    method = method_with()
    seen = []
    for domain in method.domains:
        domain.generator.register_forward_hook(lambda module, inputs, image: seen.append(image))
    phase_named(method, "discriminator")(batch)
    assert [image.requires_grad for image in seen] == [False, False]


def test_gradients_still_flow_through_the_frozen_discriminator(batch: Batch) -> None:
    method = method_with()
    terms = phase_named(method, "generator")(batch)
    gradient = torch.autograd.grad(terms["B/global"], list(method.domains[1].generator.parameters()))
    assert all(part.abs().sum() > 0 for part in gradient[:2])


def test_frozen_gives_back_what_it_took_even_after_an_error() -> None:
    layer = nn.Linear(2, 2)
    layer.bias.requires_grad = False
    with pytest.raises(RuntimeError), frozen(layer.parameters()):
        assert not layer.weight.requires_grad
        raise RuntimeError
    assert layer.weight.requires_grad
    assert not layer.bias.requires_grad


def test_a_leak_is_caught(batch: Batch) -> None:
    """Planted error: a generator phase that freezes nothing computes gradients for the discriminators."""
    method = method_with()
    phase = phase_named(method, "generator")
    phase.frozen_parameters = ()
    total(phase(batch)).backward()
    assert with_gradient(method) != ids(phase)


def test_terms_are_named_by_domain_and_weighted(batch: Batch) -> None:
    torch.manual_seed(0)
    plain = build_method(NiceGAN(network=TINY), (64, 64))
    torch.manual_seed(0)
    loss = NiceGANLoss(adversarial=2, cycle=5, reconstruction=1)
    weighted = build_method(NiceGAN(network=TINY, loss=loss), (64, 64))
    factors = {"cam": 2, "local": 2, "global": 2, "cycle": 0.5, "reconstruction": 0.1}
    for one, other in zip(plain.phases, weighted.phases, strict=True):
        terms, scaled = one(batch), other(batch)
        for name, term in terms.items():
            torch.testing.assert_close(scaled[name], term * factors[name.split("/")[1]])
    expected = {f"{domain}/{term}" for domain in "AB" for term in factors}
    assert set(plain.phases[1](batch)) == expected


def test_the_two_directions_are_one_formula(batch: Batch) -> None:
    """With the domains exchanged, the terms exchange their names and keep their values."""
    method = method_with()
    a, b = method.domains
    for phase in method.phases:
        there = phase(batch)
        a.name, b.name = "B", "A"
        phase.domains = (b, a)
        back = phase(Batch(batch.b, batch.a))
        phase.domains = (a, b)
        a.name, b.name = "A", "B"
        for name, term in there.items():
            exchanged = name.translate(str.maketrans("AB", "BA"))
            torch.testing.assert_close(back[exchanged], term)


def test_attention_switches_reach_the_encoder() -> None:
    kinds = {kind: method_with(attention=kind).domains[0].encoder for kind in ("residual", "plain", "none")}
    assert hasattr(kinds["residual"].attention, "gate")
    assert not hasattr(kinds["plain"].attention, "gate")
    assert kinds["none"].attention is None
    assert kinds["none"].cam is not None  # it still judges
    assert method_with(attention="none", classifiers=["local"]).domains[0].encoder.cam is None


@pytest.mark.parametrize("switches", [*SWITCHES, *COUPLED], ids=str)
def test_the_power_iteration_follows_the_update_of_its_weight(switches: dict[str, object]) -> None:
    method = method_with(**switches)
    for phase in method.phases:
        before = [buffer.clone() for buffer in method.domains[0].buffers()]
        phase.after_update()
        for layer in method.domains[0].modules():
            if isinstance(layer, SpectralConv2d) and layer.out_channels > 1 and phase.trains(layer):
                moved = [id(buffer) for buffer in method.domains[0].buffers()].index(id(layer.norm.v))
                assert not torch.equal(before[moved], layer.norm.v)
    draw = phase_named(method_with(), "generator")
    before = [buffer.clone() for buffer in draw.domains[0].buffers()]
    draw.after_update()
    assert all(torch.equal(a, b) for a, b in zip(before, draw.domains[0].buffers(), strict=True))
