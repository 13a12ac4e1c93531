"""Model files: what is written is read back, and a damaged card is told from its numbers, not by building them."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.conftest import TINY

from nicegan.device import process_bytes
from nicegan.errors import CheckpointError
from nicegan.methods.nicegan.build import build_translation_model
from nicegan.methods.nicegan.config import NiceGAN, NiceGANNetwork
from nicegan.model_file import ModelSpec, load_model, read_spec, save_model

SIZE = (48, 64)
HEADER = {"format": "nicegan-model", "format_version": "2"}
SPARE = 128 << 20  # bytes that a refusal may take, and a network of 400 channels may not
SECONDS = 5


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return written(tmp_path, TINY)


def written(folder: Path, network: NiceGANNetwork) -> Path:
    path = folder / "model.safetensors"
    spec = ModelSpec(method=NiceGAN(network=network), image_size=SIZE)
    save_model(path, spec, build_translation_model(network, SIZE))
    return path


def damage(path: Path, place: tuple[str | int, ...], value: Any) -> None:
    """Put another value in a card; the tensors stay."""
    card = json.loads(read_spec(path).model_dump_json())
    *outer, name = place
    inner = card
    for key in outer:
        inner = inner[key]
    inner[name] = value
    save_file(load_file(path), path, metadata={**HEADER, "card": json.dumps(card)})


@contextmanager
def little_memory() -> Iterator[None]:
    """Within, this process gets no more than SPARE bytes, where the system can tell and limit."""
    if not process_bytes():
        yield
        return
    import resource

    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + SPARE, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize("summary", ["pooled", "flat"])
def test_what_is_written_is_read_back(tmp_path: Path, summary: str) -> None:
    network = TINY.model_copy(update={"summary": summary})
    path = written(tmp_path, network)
    before = torch.get_rng_state()
    spec, networks = load_model(path)
    assert (spec.method, spec.image_size) == (NiceGAN(network=network), SIZE)
    tensors, stored = networks.state_dict(), load_file(path)
    assert set(tensors) == set(stored)
    assert all(torch.equal(tensors[name], stored[name]) for name in stored)
    built = build_translation_model(network, SIZE)
    for one, other in zip(networks.parameters(), built.parameters(), strict=True):
        assert (one.stride(), one.dtype, one.requires_grad) == (other.stride(), other.dtype, other.requires_grad)
    torch.set_rng_state(before)
    load_model(path)
    assert torch.equal(torch.get_rng_state(), before), "loading draws no random numbers"


HUGE = 10**12
DAMAGES = [
    *((("method", "network", "base_channels"), value) for value in (-4, 0, 3, 5, 400, 1024, 1025, HUGE)),
    *((("method", "network", "blocks"), value) for value in (-1, 0, 2, 64, 65, 3_000_000, HUGE)),
    *((("method", "network", "depth"), value) for value in (-7, 0, 5, 13, HUGE)),
    *((("method", "network", "shared_layers"), value) for value in (-2, 0, 1, 3, 9, HUGE)),
    *((("image_size", axis), value) for axis in (0, 1) for value in (-64, 0, 1, 47, 96, 16384, HUGE)),
    (("step",), -1),
]


@pytest.mark.parametrize(("place", "value"), DAMAGES, ids=str)
def test_a_card_with_a_damaged_number_is_refused_in_little_time_and_memory(
    tmp_path: Path, place: tuple[str | int, ...], value: int
) -> None:
    """The flat summary's weights depend on the image size too."""
    path = written(tmp_path, TINY.model_copy(update={"summary": "flat"}))
    damage(path, place, value)
    began = time.monotonic()
    with little_memory(), pytest.raises(CheckpointError) as caught:
        load_model(path)
    assert time.monotonic() - began < SECONDS
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["many", None, 1.5, [], {"a\nb": 1}])
def test_a_card_with_something_else_for_a_number_names_the_place(model: Path, value: object) -> None:
    damage(model, ("method", "network", "blocks"), value)
    with pytest.raises(CheckpointError, match=r"model card that cannot be used \(network.blocks: ") as caught:
        load_model(model)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", ["", "0", "3", "²", "-1", "1" * 5000])
def test_another_format_version_is_refused(model: Path, version: str) -> None:
    header = {**HEADER, "card": read_spec(model).model_dump_json(), "format_version": version}
    save_file(load_file(model), model, metadata=header)
    with pytest.raises(CheckpointError, match="install a newer nicegan"):
        read_spec(model)


@pytest.mark.parametrize("card", [{}, {"card": ""}, {"card": "{"}, {"card": "[]"}, {"card": '{"a\\nb": 1}'}])
def test_a_card_that_is_none_is_refused(model: Path, card: dict[str, str]) -> None:
    save_file(load_file(model), model, metadata={**HEADER, **card})
    with pytest.raises(CheckpointError, match="model card that cannot be used") as caught:
        read_spec(model)
    assert "\n" not in str(caught.value)


def test_tensors_of_another_precision_are_read_in_the_networks_own(model: Path) -> None:
    stored = {name: tensor.half() for name, tensor in load_file(model).items()}
    save_file(stored, model, metadata={**HEADER, "card": read_spec(model).model_dump_json()})
    tensors = load_model(model).networks.state_dict()
    assert all(torch.equal(tensors[name], stored[name].float()) for name in stored)


def test_a_model_of_another_method_is_not_taken_for_ours(model: Path) -> None:
    for place, name, message in (
        (("method",), "stargan", "of the method 'stargan', which is not among nicegan"),
        (("method", "name"), "stargan", "of the method 'stargan', which is not among nicegan"),
        (("method", "name"), "cyclegan", r"model card that cannot be used \(optimizer\."),
        (("method",), {"name": "cyclegan"}, "does not hold the tensors its header describes"),
    ):
        path = written(model.parent, TINY)
        damage(path, place, name)
        with pytest.raises(CheckpointError, match=message):
            load_model(path)


@pytest.mark.parametrize(
    "damage", [lambda t: t.mul(torch.nan), lambda t: t.int(), lambda t: t.bool()], ids=["NaN", "integers", "booleans"]
)
def test_numbers_that_are_none_are_refused(model: Path, damage: Callable[[torch.Tensor], torch.Tensor]) -> None:
    header = {**HEADER, "card": read_spec(model).model_dump_json()}
    tensors = load_file(model)
    last = sorted(tensors)[-1]
    save_file({**tensors, last: damage(tensors[last])}, model, metadata=header)
    with pytest.raises(CheckpointError, match="holds something else than finite numbers"):
        load_model(model)
