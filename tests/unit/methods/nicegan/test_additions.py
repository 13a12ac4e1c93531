"""What may be added to the training of NICE-GAN: off, nothing changes; on, it is what its source says."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nicegan.device import Machine
from nicegan.methods.base import Method, Phase, total
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.nn.flops import flops
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch, Terms
from nicegan.training.state import TrainingState, load_state, new_state, save_state
from nicegan.training.step import Stepper

CPU = Machine(torch.device("cpu"), "float32")


def config_with(dataset: Path, **groups: dict[str, object]) -> RunConfig:
    """A run of the tiny form with changes of its groups of settings."""
    tiny = NiceGAN.tiny().model_dump()
    method = {**tiny, **{name: {**tiny[name], **changes} for name, changes in groups.items()}}
    return RunConfig.model_validate(
        {"data": dataset, "method": method, "image_size": 64, "batch_size": 2, "steps": 6, "device": "cpu"}
    )


def method_with(**groups: dict[str, object]) -> Method:
    """The tiny form, from the same random weights."""
    torch.manual_seed(0)
    return config_with(Path("unused"), **groups).method.build((64, 64))


def phase_of(method: Method, name: str) -> Phase:
    return next(phase for phase in method.phases if phase.name == name)


def terms_of(method: Method, name: str, batch: Batch) -> Terms:
    phase = phase_of(method, name)
    return phase(batch, phase.noise(batch, torch.Generator().manual_seed(0)))


ADDITIONS: dict[str, dict[str, dict[str, object]]] = {
    "discriminator_learning_rate": {"optimizer": {"discriminator_learning_rate": 4e-4}},
    "augment": {"loss": {"augment": ("translation", "cutout")}},
    "r1": {"loss": {"r1": 1.0, "r1_every": 3}},
    "lecam": {"loss": {"lecam": 0.1}},
    "downsample": {"network": {"downsample": "blurred"}},
    "final_consistency": {"loss": {"final_consistency": 0.2}},
    "contrastive": {"loss": {"contrastive": 1.0}},
}


@pytest.mark.parametrize("name", ADDITIONS)
def test_an_addition_changes_the_weights_which_stay_finite(name: str, dataset: Path, batch: Batch) -> None:
    plain, added = (stepped(config_with(dataset, **groups), batch, 3) for groups in ({}, ADDITIONS[name]))
    assert differing(plain, added) > 0
    assert all(tensor.isfinite().all() for tensor in added.tensors().values())


def resumed(config: RunConfig, checkpoint: Path, batch: Batch, forgets: str = "") -> TrainingState:
    """Two more steps, by a run that may have forgotten a part of its state."""
    state = new_state(config.model_copy(update={"seed": 9}), CPU.device)
    load_state(checkpoint, state)
    if forgets == "memory":
        state.method.load_process_state({})
    elif forgets:
        setattr(state, forgets, 0)
    stepper = Stepper(state, config, CPU)
    for _ in range(2):
        stepper(batch)
    return state


FORGOTTEN = {"augment": "samples_seen", "r1": "step", "lecam": "memory", "final_consistency": "step"}


@pytest.mark.parametrize("name", ADDITIONS)
def test_a_resumed_run_is_the_same_run_and_one_that_forgets_is_not(
    name: str, dataset: Path, batch: Batch, tmp_path: Path
) -> None:
    config = config_with(dataset, **ADDITIONS[name])
    whole = stepped(config, batch, 4)
    checkpoint = save_state(tmp_path / "checkpoints", stepped(config, batch, 2))
    again = resumed(config, checkpoint, batch)
    assert differing(whole, again) == 0
    for of_domain, means in whole.method.process_state().items():
        assert torch.equal(means, again.method.process_state()[of_domain])
    if name in FORGOTTEN:  # planted errors
        weights = dict(resumed(config, checkpoint, batch, FORGOTTEN[name]).method.named_parameters())
        assert any(not torch.equal(weights[name], p) for name, p in whole.method.named_parameters())


def stepped(config: RunConfig, batch: Batch, count: int) -> TrainingState:
    state = new_state(config, CPU.device)
    stepper = Stepper(state, config, CPU)
    for _ in range(count):
        stepper(batch)
    return state


@pytest.mark.parametrize("own", [None, 4e-4])
def test_discriminators_may_have_a_learning_rate_of_their_own(dataset: Path, batch: Batch, own: float | None) -> None:
    config = config_with(dataset, optimizer={"learning_rate": 1e-4, "discriminator_learning_rate": own})
    state = stepped(config, batch, 1)
    rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in state.optimizers.items()}
    assert rates == {"discriminator": own or 1e-4, "generator": 1e-4}
    plain = stepped(config_with(dataset, optimizer={"learning_rate": 1e-4}), batch, 1)
    same = [
        torch.equal(one, other)
        for one, other in zip(state.method.phases[0].parameters(), plain.method.phases[0].parameters(), strict=True)
    ]
    assert all(same) == (own is None)


class Seen:
    """The images that encoders and discriminators get, in order."""

    def __init__(self, method: Method) -> None:
        self.images: list[Tensor] = []
        for domain in method.domains:
            domain.encoder.layers.register_forward_hook(lambda module, inputs, out: self.images.append(inputs[0]))


def num_grey(image: Tensor) -> int:
    """Pixels that are exactly 0."""
    return int((image == 0).all(dim=1).sum())


@pytest.mark.parametrize("names", [("translation",), ("cutout",), ("translation", "cutout")], ids="+".join)
def test_what_discriminators_see_is_augmented_and_what_is_translated_is_not(
    names: tuple[str, ...], batch: Batch
) -> None:
    method = method_with(loss={"augment": names})
    seen = Seen(method)
    terms_of(method, "discriminator", batch)
    to_b, shown_b, to_a, shown_a = seen.images
    assert torch.equal(to_b, batch.a)
    assert torch.equal(to_a, batch.b)
    for shown in (shown_a, shown_b):
        assert len(shown) == 4, "real images and as many fakes"
        assert all(num_grey(one[None]) > 0 for one in shown)
    seen.images.clear()
    terms_of(method, "generator", batch)
    assert [num_grey(image) > 0 for image in seen.images] == [False, False, True] * 2, "source, fake, what is shown"


def test_cycles_and_reconstructions_come_from_clean_images(batch: Batch) -> None:
    plain, augmented = (
        terms_of(method_with(loss={"augment": names}), "generator", batch) for names in ((), ("translation", "cutout"))
    )
    assert plain.keys() == augmented.keys()
    for name, term in plain.items():
        of_logits = name.split("/")[1] in ("cam", "local", "global")
        assert torch.equal(term, augmented[name]) != of_logits


def test_an_augmentation_is_named_once(dataset: Path) -> None:
    with pytest.raises(ValueError, match="augment: name any of translation, cutout, each once"):
        config_with(dataset, loss={"augment": ("cutout", "cutout")})


def test_r1_is_the_slope_at_real_images(batch: Batch) -> None:
    """The slope by the convolutions' own backward pass, which keeps little."""
    terms = terms_of(method_with(loss={"r1": 3.0, "r1_every": 4}), "r1", batch)
    for domain, real in zip(method_with().domains, batch, strict=True):
        image = real.clone().requires_grad_()
        means = [logits.flatten(1).mean(dim=1) for logits in domain.discriminator(image).values()]
        (slope,) = torch.autograd.grad(torch.stack(means).sum(), image)
        expected = 4 * 3.0 / 2 * slope.square().sum(dim=(1, 2, 3)).mean()
        torch.testing.assert_close(terms[f"{domain.name}/slope"], expected)


def test_the_gradient_of_r1_is_that_of_finite_differences(batch: Batch) -> None:
    method = method_with(loss={"r1": 1.0}).double()
    phase, images = phase_of(method, "r1"), Batch(batch.a.double(), batch.b.double())
    total(phase(images)).backward()
    direction = [torch.randn_like(parameter) for parameter in phase.parameters()]
    slope = sum(
        (p.grad * d).sum().item() for p, d in zip(phase.parameters(), direction, strict=True) if p.grad is not None
    )
    found = []
    for side in (1e-6, -1e-6):
        with torch.no_grad():
            for parameter, step in zip(phase.parameters(), direction, strict=True):
                parameter.add_(side * step)
        found.append(total(phase(images)).item())
        with torch.no_grad():
            for parameter, step in zip(phase.parameters(), direction, strict=True):
                parameter.sub_(side * step)
    assert slope == pytest.approx((found[0] - found[1]) / 2e-6, rel=1e-4)


def test_r1_is_due_every_so_many_steps_and_trains_the_discriminators_alone(dataset: Path, batch: Batch) -> None:
    config = config_with(dataset, loss={"r1": 1.0, "r1_every": 3})
    state = new_state(config, CPU.device)
    assert set(state.optimizers) == {"discriminator", "generator"}
    stepper = Stepper(state, config, CPU)
    steps = [{name.partition("/")[0] for name in stepper(batch)} for _ in range(6)]
    assert ["r1" in phases for phases in steps] == [False, False, True] * 2
    phase = phase_of(state.method, "r1")
    assert {id(p) for p in phase.parameters()} == {
        id(p) for d in state.method.domains for p in d.discriminator.parameters()
    }
    plain = stepped(config_with(dataset), batch, 3)
    with_r1 = stepped(config, batch, 3)
    assert differing(plain, with_r1) > 0
    assert differing(stepped(config_with(dataset), batch, 2), stepped(config, batch, 2)) == 0


def differing(one: TrainingState, other: TrainingState) -> int:
    """Number of weights and averages in which two states differ."""
    theirs = other.tensors()
    return sum(not torch.equal(tensor, theirs[name]) for name, tensor in one.tensors().items())


def test_the_arithmetic_of_r1_can_be_counted(batch: Batch) -> None:
    """PyTorch's counter puts hooks on what modules get, which fails where that is a leaf."""
    method = method_with(loss={"r1": 1.0})
    assert flops(lambda: total(terms_of(method, "r1", batch)).backward()) > 0


def test_lecams_means_move_at_updates_and_are_the_closed_formula(dataset: Path, batch: Batch) -> None:
    config = config_with(dataset, loss={"lecam": 0.1})
    state = new_state(config, CPU.device)
    stepper = Stepper(state, config, CPU)
    expected = torch.full((3, 2), 0.5)
    logged = []
    domain = state.method.domains[1]
    domain.discriminator.register_forward_hook(lambda module, inputs, logits: logged.append(logits))
    for _ in range(3):
        logged.clear()
        terms = stepper(batch)
        halves = [logged[0][head].detach().chunk(2) for head in ("cam", "local", "global")]
        term = sum(
            (real - fake_mean).square().mean() + (fake - real_mean).square().mean()
            for (real, fake), (real_mean, fake_mean) in zip(halves, expected, strict=True)
        )
        torch.testing.assert_close(terms["discriminator/B/lecam"], 0.1 * term)
        seen = torch.stack([torch.stack([half.mean() for half in pair]) for pair in halves])
        expected = 0.99 * expected + 0.01 * seen
        torch.testing.assert_close(state.method.process_state()["logit_means.B"], expected)


def test_lecam_is_the_same_in_parts(dataset: Path, batch: Batch) -> None:
    whole = config_with(dataset, loss={"lecam": 0.1})
    parts = whole.model_copy(update={"batch_size": 1, "accumulate": 2})
    states = [stepped(config, batch, 2) for config in (whole, parts)]
    memories = [state.method.process_state() for state in states]
    for name, means in memories[0].items():
        torch.testing.assert_close(means, memories[1][name], rtol=1e-3, atol=1e-6)


def test_numbers_of_a_step_that_failed_are_forgotten(batch: Batch) -> None:
    method = method_with(loss={"lecam": 0.1})
    before = {name: means.clone() for name, means in method.process_state().items()}
    terms_of(method, "discriminator", Batch(batch.a * torch.nan, batch.b))
    method.load_process_state(before)
    terms_of(method, "discriminator", batch)
    phase_of(method, "discriminator").after_update()
    assert all(means.isfinite().all() for means in method.process_state().values())
    assert all(not torch.equal(means, before[name]) for name, means in method.process_state().items())


@pytest.mark.parametrize(("progress", "share"), [(0.0, 1.0), (0.5, 0.6), (1.0, 0.2)])
def test_the_weights_of_consistency_fall_linearly_to_their_share(batch: Batch, progress: float, share: float) -> None:
    method = method_with(loss={"final_consistency": 0.2})
    phase_of(method, "generator").progress = progress
    fallen, plain = (terms_of(method, "generator", batch) for method in (method, method_with()))
    for name, term in plain.items():
        expected = share * term if name.split("/")[1] in ("cycle", "reconstruction") else term
        torch.testing.assert_close(fallen[name], expected)


def test_a_step_says_how_far_the_run_is(dataset: Path, batch: Batch) -> None:
    state = stepped(config_with(dataset, loss={"final_consistency": 0.2}), batch, 4)
    assert [phase.progress for phase in state.method.phases] == [3 / 6, 3 / 6]


def test_patches_are_compared_in_the_latents_of_source_and_fake(batch: Batch) -> None:
    method = method_with(loss={"contrastive": 2.0})
    terms = terms_of(method, "generator", batch)
    a, b = method.domains
    with torch.no_grad():
        latent = a.encoder(batch.a)
        fake = b.encoder(b.generator(latent))
    similar = F.cosine_similarity(fake.flatten(2)[:, :, :, None], latent.flatten(2)[:, :, None, :], dim=1) / 0.07
    negatives = similar.clone().diagonal_scatter(torch.full((2, 256), -10 / 0.07), dim1=1, dim2=2)
    logits = torch.cat([similar.diagonal(dim1=1, dim2=2)[:, :, None], negatives], dim=2)
    expected = 2.0 * F.cross_entropy(logits.flatten(0, 1), torch.zeros(2 * 256, dtype=torch.long))
    torch.testing.assert_close(terms["B/contrastive"], expected, rtol=1e-3, atol=1e-5)
    with pytest.raises(AssertionError, match="noise"):
        phase_of(method, "generator")(batch)


def test_patches_pull_at_the_generator_that_made_the_fake_alone(batch: Batch) -> None:
    method = method_with(loss={"contrastive": 2.0})
    terms_of(method, "generator", batch)["B/contrastive"].backward()
    pulled = {name.rpartition(".generator.")[0] for name, p in method.named_parameters() if p.grad is not None}
    assert pulled == {"B"}
    assert all(".generator." in name for name, p in method.named_parameters() if p.grad is not None)
