"""DRIT's schedule, what its phases share, and the halves of a batch."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nicegan.device import Machine
from nicegan.methods.base import Fakes
from nicegan.methods.drit.build import DRITMethod
from nicegan.methods.drit.config import DRIT, DRITNetwork, DRITOptimizer, smallest_content
from nicegan.methods.drit.discriminators import ContentDiscriminator
from nicegan.methods.drit.encoders import GaussianStyleEncoder, PointStyleEncoder
from nicegan.methods.drit.phases import exchanging, for_random
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch
from nicegan.training.memory import _lasting
from nicegan.training.state import TrainingState, new_state, total_bytes
from nicegan.training.step import Stepper

ADAM_TENSORS = ("exp_avg", "exp_avg_sq")
CPU = Machine(torch.device("cpu"), "float32")
CONCAT = DRIT.tiny().network.model_copy(update={"style_input": "concatenated"})
FORMS = pytest.mark.parametrize("network", [DRIT.tiny().network, CONCAT], ids=["mixed", "concatenated"])


def run_of(network: DRITNetwork, dataset: Path, **optimizer: float) -> RunConfig:
    method = DRIT(network=network, optimizer=DRITOptimizer.model_validate(optimizer))
    settings = {"data": dataset, "method": method, "image_size": 64, "batch_size": 2, "steps": 9}
    return RunConfig.model_validate(settings)


def copies(modules: Iterable[nn.Module]) -> list[Tensor]:
    return [parameter.detach().clone() for module in modules for parameter in module.parameters()]


def updates(state: TrainingState, module: nn.Module) -> set[float]:
    """How often Adam has moved the module's parameters."""
    adam = state.optimizers["generator"]
    return {adam.state[parameter]["step"].item() for parameter in module.parameters()}


@FORMS
def test_every_third_step_moves_all_and_the_others_the_content_discriminator(
    network: DRITNetwork, dataset: Path, batch: Batch
) -> None:
    config = run_of(network, dataset)
    state = new_state(config, CPU.device)
    stepper = Stepper(state, config, CPU)
    method = state.method
    assert isinstance(method, DRITMethod)
    assert method.steps_of_a_cycle() == 3
    for step in range(6):
        contents, rest = copies([method.content_discriminator]), copies(method.domains)
        terms = stepper(batch)
        assert not any(map(torch.equal, contents, copies([method.content_discriminator])))
        is_full = step in (2, 5)
        assert any(map(torch.equal, rest, copies(method.domains))) != is_full
        phases = {name.partition("/")[0] for name in terms}
        assert phases == ({phase.name for phase in method.phases} if is_full else {"content_discriminator"})


@FORMS
def test_encoders_of_contents_and_generators_are_moved_twice_by_one_adam(
    network: DRITNetwork, dataset: Path, batch: Batch
) -> None:
    config = run_of(network, dataset, full_every=1)
    state = new_state(config, CPU.device)
    Stepper(state, config, CPU)(batch)
    assert set(state.optimizers) == {"discriminator", "content_discriminator", "generator"}
    assert isinstance(state.method, DRITMethod)
    for domain in state.method.domains:
        assert updates(state, domain.encoder) == updates(state, domain.generator) == {2}
        assert updates(state, domain.style_encoder) == {1}


@FORMS
def test_what_lasts_from_step_to_step_is_counted_once(network: DRITNetwork, dataset: Path, batch: Batch) -> None:
    """Shared blocks, and the optimizer that two phases share."""
    config = run_of(network, dataset, full_every=1)
    state = new_state(config, CPU.device)
    Stepper(state, config, CPU)(batch)
    moments = [adam[name] for o in state.optimizers.values() for adam in o.state.values() for name in ADAM_TENSORS]
    assert _lasting(state.method) == total_bytes([*state.tensors().values(), *moments])


@FORMS
def test_discriminators_take_what_the_generators_made(network: DRITNetwork, batch: Batch) -> None:
    """With the same random numbers it is what they would make themselves."""
    method = DRIT(network=network).build((64, 64))
    generator, style, discriminator, content = method.phases
    noise = generator.noise(batch, torch.Generator().manual_seed(0))
    random = torch.randn(1, network.style_features)
    fakes: Fakes = {}
    generator(batch, noise, fakes)
    style(batch, (noise[0], random, noise[4], random), fakes)
    own = (noise[0], noise[1], random, noise[4], noise[5], random)
    torch.testing.assert_close(discriminator(batch, (), fakes), discriminator(batch, own))
    torch.testing.assert_close(content(batch, (), fakes), content(batch, (noise[0], noise[4])))
    fakes["A/random"] = fakes["A/random"] + 1
    with pytest.raises(AssertionError):
        torch.testing.assert_close(discriminator(batch, (), fakes), discriminator(batch, own))


def test_the_content_discriminator_has_its_own_rate_and_norm() -> None:
    settings = DRIT().optimizer_of("content_discriminator")
    assert (settings.learning_rate, settings.max_gradient_norm) == (4e-5, 5.0)
    for phase in ("discriminator", "generator", "style"):
        settings = DRIT().optimizer_of(phase)
        assert (settings.learning_rate, settings.max_gradient_norm) == (1e-4, None)


@FORMS
def test_shared_blocks_are_one_module_in_networks_averages_and_built_models(
    network: DRITNetwork, dataset: Path
) -> None:
    state = new_state(run_of(network, dataset), CPU.device)
    models = [state.method, state.ema, DRIT(network=network).build_translation_model((64, 64))]
    for model in models:
        assert model.get_submodule("A.encoder.shared") is model.get_submodule("B.encoder.shared")
        layers = [set(map(id, model.get_submodule(f"{domain}.encoder.layers").parameters())) for domain in "AB"]
        assert not layers[0] & layers[1]
        if network.style_input == "concatenated":
            assert model.get_submodule("A.generator.shared") is model.get_submodule("B.generator.shared")


@pytest.mark.parametrize(
    ("count", "first", "second"), [(1, [0], [0]), (2, [0], [1]), (3, [0, 1], [1, 2]), (4, [0, 1], [2, 3])]
)
def test_halves_of_a_batch(count: int, first: list[int], second: list[int]) -> None:
    images = torch.arange(count).view(-1, 1, 1, 1).expand(-1, 3, 2, 2).float()
    assert exchanging(images)[:, 0, 0, 0].tolist() == first
    assert for_random(images)[:, 0, 0, 0].tolist() == second


@pytest.mark.parametrize("layers", range(4))
def test_the_smallest_content_leaves_one_logit_and_less_leaves_none(layers: int) -> None:
    side = smallest_content(layers) // 4
    discriminator = ContentDiscriminator(4, layers)
    assert discriminator(torch.rand(1, 4, side, side))["content"].shape == (1, 1)
    with pytest.raises(RuntimeError, match="Kernel size"):
        discriminator(torch.rand(1, 4, side - 1, side - 1))


def test_a_style_that_is_a_point_ignores_noise_and_a_gaussian_one_does_not(batch: Batch) -> None:
    zero, one = torch.zeros(2, 8), torch.ones(2, 8)
    point, gaussian = PointStyleEncoder(4, 8), GaussianStyleEncoder(4, 8)
    assert torch.equal(point.encode(batch.a, zero).style, point.encode(batch.a, one).style)
    mean, log_variance = gaussian.moments(batch.a)
    torch.testing.assert_close(gaussian.encode(batch.a, one).style - mean, log_variance.exp().sqrt())
    normal = torch.distributions.Normal(mean, log_variance.exp().sqrt())
    divergence = torch.distributions.kl_divergence(normal, torch.distributions.Normal(zero, one))
    torch.testing.assert_close(gaussian.encode(batch.a, one).divergence, divergence.sum(dim=1).mean())
