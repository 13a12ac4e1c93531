"""Published checkpoints: read without running code, and refused with a reason."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from tests.unit.test_model_file import little_memory
from torch import Tensor, nn

from nicegan.errors import CheckpointError
from nicegan.export.published import import_published, read_published
from nicegan.methods.base import Method
from nicegan.methods.nicegan.config import NiceGAN, NiceGANNetwork
from nicegan.methods.nicegan.published import renamed
from nicegan.methods.published import Published
from nicegan.model_file import load_model

CONV = ("weight_orig", "weight_u", "weight_v", "bias")
BARE = ("weight_orig", "weight_u", "weight_v")


def published_names(depth: int, blocks: int) -> dict[str, list[str]]:
    """The tensor names of a published checkpoint, written down from its format."""
    generator = ["UpBlock0.1.weight", "UpBlock0.1.bias", *(f"UpBlock0.2.{n}" for n in ("rho", "gamma", "beta"))]
    generator += ["FC.0.weight", "FC.2.weight", "gamma.weight", "beta.weight"]
    for i in range(1, blocks + 1):
        generator += [f"UpBlock1_{i}.{n}" for n in ("conv1.weight", "norm1.rho", "conv2.weight", "norm2.rho")]
    for first in (1, 9):
        generator += [f"UpBlock2.{first}.weight", f"UpBlock2.{first + 3}.weight", f"UpBlock2.{first + 3}.bias"]
        generator += [f"UpBlock2.{first + i}.{n}" for i in (1, 5) for n in ("rho", "gamma", "beta")]
    generator += ["UpBlock2.17.weight"]
    discriminator = [f"model.{i}.{n}" for i in (1, 4) for n in CONV]
    discriminator += [f"Dis0_0.{1 + 3 * i}.{n}" for i in range(depth - 6) for n in CONV]
    discriminator += [f"Dis1_0.{i}.{n}" for i in (1, 4) for n in CONV]
    discriminator += [f"{head}.1.{n}" for head in ("Dis0_1", "Dis1_1") for n in CONV]
    discriminator += [f"{logit}.{n}" for logit in ("conv0", "conv1", "fc") for n in BARE]
    discriminator += ["conv1x1.weight", "conv1x1.bias", "lamda"]
    return {"gen2A": generator, "gen2B": generator, "disA": discriminator, "disB": discriminator}


def checkpoint(network: NiceGANNetwork, size: int) -> dict[str, dict[str, Tensor]]:
    """A checkpoint in the published format, made from random weights of ours."""
    method = NiceGAN(network=network).build((size, size))
    modules: dict[str, nn.Module] = {}
    for domain in method.domains:
        modules |= {f"gen2{domain.name}": domain.generator, f"dis{domain.name}": domain.discriminator}
    names = published_names(network.depth, network.blocks)
    return {
        part: {name: modules[part].state_dict()[renamed(part, name)].clone() for name in names[part]} for part in names
    }


def loaded(path: Path) -> tuple[Published, Method]:
    """A checkpoint as our method, every tensor in its place."""
    found = read_published(path)
    method = found.config.build(found.size)
    method.load_state_dict(found.state)
    return found, method


@pytest.mark.parametrize(("channels", "blocks", "depth", "size"), [(4, 2, 6, 64), (6, 5, 7, 96), (2, 1, 8, 192)])
@pytest.mark.parametrize("summary", ["pooled", "flat"])
def test_any_width_and_depth_is_recognised(
    tmp_path: Path, channels: int, blocks: int, depth: int, size: int, summary: str
) -> None:
    wanted = NiceGANNetwork.model_validate(
        {"base_channels": channels, "blocks": blocks, "depth": depth, "summary": summary}
    )
    parts = checkpoint(wanted, size)
    parts["gen2A"]["total_ops"] = parts["disA"]["model.1.total_params"] = torch.zeros(1)  # a profiler's
    parts["disB"] = {f"module.{name}": tensor for name, tensor in parts["disB"].items()}  # data-parallel training's
    torch.save(parts | {"start_iter": 5}, tmp_path / "params.pt")
    found, method = loaded(tmp_path / "params.pt")
    assert found.config == NiceGAN(network=wanted)
    assert summary == "pooled" or found.size == (size, size)
    for domain in method.domains:
        gate = domain.discriminator.encoder.attention
        assert gate is not None
        name = f"dis{domain.name}"
        kept = parts[name].get("lamda", parts[name].get("module.lamda"))
        assert torch.equal(gate.gate, kept)  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]


def test_the_model_file_translates_like_the_checkpoint(tmp_path: Path) -> None:
    torch.save(checkpoint(NiceGANNetwork(base_channels=4, blocks=1, depth=6), 64), tmp_path / "params.pt")
    import_published(tmp_path / "params.pt", tmp_path / "model.safetensors")
    _, method = loaded(tmp_path / "params.pt")
    image = torch.rand(1, 3, 64, 64)
    networks = load_model(tmp_path / "model.safetensors").networks, method.translation_model()
    with torch.no_grad():
        ours, theirs = (model.translate(image, "B") for model in networks)
    assert torch.equal(ours, theirs)


class Malice:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    torch.save({"gen2A": Malice(tmp_path / "owned")}, tmp_path / "evil.pt")
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Malice(tmp_path / "owned")))
    for name in ("evil.pt", "evil.pkl"):
        with pytest.raises(CheckpointError):
            import_published(tmp_path / name, tmp_path / "model.safetensors")
    assert not (tmp_path / "owned").exists()
    assert not (tmp_path / "model.safetensors").exists()


def damaged(parts: dict[str, dict[str, Tensor]], kind: str) -> object:
    if kind == "another method":
        return {"genA2B": {}, "genB2A": {}}
    if kind == "a bare state dict":
        return parts["gen2A"]
    if kind == "a part is missing":
        return {name: part for name, part in parts.items() if name != "disB"}
    if kind == "a tensor is missing":
        del parts["gen2B"]["UpBlock2.17.weight"]
    if kind == "an unknown tensor":
        parts["disA"]["conv9.weight"] = torch.zeros(1)
    if kind == "a wrong size":
        parts["gen2A"]["UpBlock2.17.weight"] = torch.zeros(3, 3)
    if kind == "not a tensor":
        return {**parts, "disA": {**parts["disA"], "lamda": "seven"}}
    if kind == "a sparse tensor":
        parts["disA"]["lamda"] = torch.zeros(1).to_sparse()
    if kind == "a tensor without numbers":
        parts["disA"]["lamda"] = torch.zeros(1, device="meta")
    if kind == "whole numbers":
        parts["disA"]["lamda"] = torch.zeros(1, dtype=torch.int64)
    if kind == "no encoder":
        del parts["disA"]["model.1.weight_orig"]
    if kind == "an odd flat layer":
        parts["gen2A"]["FC.0.weight"] = torch.zeros(16, 16 * 7)
    if kind == "no width":
        parts["disA"]["model.1.weight_orig"] = torch.zeros(0, 3, 4, 4)
    if kind == "a wide first layer":
        parts["disA"]["model.1.weight_orig"] = torch.zeros(1024, 3, 4, 4)
    if kind == "too wide a first layer":
        parts["disA"]["model.1.weight_orig"] = torch.zeros(5000, 3, 4, 4)
    if kind == "too many blocks":
        parts["gen2A"] |= {f"UpBlock1_{number}.conv1.weight": torch.zeros(1) for number in range(100)}
    if kind == "too many layers":
        parts["disA"] |= {f"Dis0_0.{number}.weight_orig": torch.zeros(1) for number in range(100)}
    if kind == "a flat layer without outputs":
        parts["gen2A"]["FC.0.weight"] = torch.zeros(0, 64)
    if kind == "a flat layer without inputs":
        parts["gen2A"]["FC.0.weight"] = torch.zeros(16, 0)
    if kind == "a flat layer of a huge image":
        parts["gen2A"]["FC.0.weight"] = torch.zeros(1, 5000**2)
    return parts


@pytest.mark.parametrize(
    "kind",
    [
        "another method",
        "a bare state dict",
        "a part is missing",
        "a tensor is missing",
        "an unknown tensor",
        "a wrong size",
        "not a tensor",
        "a sparse tensor",
        "a tensor without numbers",
        "whole numbers",
        "no encoder",
        "an odd flat layer",
        "no width",
        "a wide first layer",
        "too wide a first layer",
        "too many blocks",
        "too many layers",
        "a flat layer without outputs",
        "a flat layer without inputs",
        "a flat layer of a huge image",
    ],
)
def test_anything_else_is_a_clear_error(tmp_path: Path, kind: str) -> None:
    parts = checkpoint(NiceGANNetwork(base_channels=4, blocks=1, depth=6), 64)
    torch.save(damaged(parts, kind), tmp_path / "params.pt")
    with little_memory(), pytest.raises(CheckpointError) as caught:
        read_published(tmp_path / "params.pt")
    assert len(str(caught.value).splitlines()) == 1


def test_a_flipped_bit_anywhere_in_the_pickle_is_a_clear_error_or_none(tmp_path: Path) -> None:
    """Files of the old format, whose pickle lies open at their beginning."""
    path = tmp_path / "params.pt"
    torch.save({"gen2A": {"x": torch.zeros(2)}}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        with pytest.raises(CheckpointError, match="params.pt"):
            read_published(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + b"\0" * 50])
def test_other_files_are_a_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "params.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match="params.pt"):
        read_published(tmp_path / "params.pt")
    with pytest.raises(CheckpointError, match="not a checkpoint of a published implementation"):
        read_published(tmp_path)
    with pytest.raises(CheckpointError, match="not a file"):
        read_published(tmp_path / "nowhere.pt")
