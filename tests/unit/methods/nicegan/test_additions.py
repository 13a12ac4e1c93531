"""What may be added to the training of NICE-GAN: off, nothing changes; on, it is what its source says."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from nicegan.device import Machine
from nicegan.methods.base import Method
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch, Terms
from nicegan.training.state import TrainingState, new_state
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


def terms_of(method: Method, number: int, batch: Batch) -> Terms:
    phase = method.phases[number]
    return phase(batch, phase.noise(batch, torch.Generator().manual_seed(0)))


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
    terms_of(method, 0, batch)
    to_b, shown_b, to_a, shown_a = seen.images
    assert torch.equal(to_b, batch.a)
    assert torch.equal(to_a, batch.b)
    for shown in (shown_a, shown_b):
        assert len(shown) == 4, "real images and as many fakes"
        assert all(num_grey(one[None]) > 0 for one in shown)
    seen.images.clear()
    terms_of(method, 1, batch)
    assert [num_grey(image) > 0 for image in seen.images] == [False, False, True] * 2, "source, fake, what is shown"


def test_cycles_and_reconstructions_come_from_clean_images(batch: Batch) -> None:
    plain, augmented = (
        terms_of(method_with(loss={"augment": names}), 1, batch) for names in ((), ("translation", "cutout"))
    )
    assert plain.keys() == augmented.keys()
    for name, term in plain.items():
        of_logits = name.split("/")[1] in ("cam", "local", "global")
        assert torch.equal(term, augmented[name]) != of_logits


def test_an_augmentation_is_named_once(dataset: Path) -> None:
    with pytest.raises(ValueError, match="augment: name any of translation, cutout, each once"):
        config_with(dataset, loss={"augment": ("cutout", "cutout")})
