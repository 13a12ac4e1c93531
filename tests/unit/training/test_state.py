"""Checkpoints: complete, whole or absent, and pointed at."""

from pathlib import Path

import pytest
import torch
from filelock import FileLock, Timeout
from tests.conftest import TINY

from nicegan import checkpoint as checkpoint_module
from nicegan.checkpoint import SUMS, point_to, pointed_at, prune, resume_point
from nicegan.device import Machine, set_up_machine
from nicegan.errors import CheckpointError, ConfigError
from nicegan.methods.nicegan.config import NiceGAN, NiceGANLoss
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.shapes import Batch
from nicegan.training.state import Best, TrainingState, load_state, new_state, save_state
from nicegan.training.step import Stepper

CPU = Machine(torch.device("cpu"), "float32")


def stepped(config: RunConfig, batch: Batch, steps: int) -> TrainingState:
    state = new_state(config, CPU.device)
    for _ in range(steps):
        Stepper(state, config, CPU)(batch)
    return state


def flat(value: object) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        return [tensor for part in value.values() for tensor in flat(part)]
    return [tensor for part in value for tensor in flat(part)] if isinstance(value, list | tuple) else []


def same(one: TrainingState, other: TrainingState) -> bool:
    tensors = [flat(part) for state in (one, other) for part in (state.tensors(), state.state_dict()["optimizers"])]
    pairs = [*zip(tensors[0], tensors[2], strict=True), *zip(tensors[1], tensors[3], strict=True)]
    return one.step == other.step and one.best == other.best and all(torch.equal(a, b) for a, b in pairs)


def test_a_restored_run_is_the_same_run(tiny_run: RunConfig, batch: Batch, tmp_path: Path) -> None:
    state = stepped(tiny_run, batch, 2)
    state.best = Best(1, 0.5)
    checkpoint = save_state(tmp_path, state)
    restored = new_state(tiny_run.model_copy(update={"seed": 9}), CPU.device)
    load_state(checkpoint, restored)
    assert same(state, restored)
    for run in (state, restored):
        Stepper(run, tiny_run, CPU)(batch)
    assert same(state, restored)


def test_a_forgotten_optimizer_is_caught(tiny_run: RunConfig, batch: Batch, tmp_path: Path) -> None:
    """Planted error: weights alone are not the run."""
    state = stepped(tiny_run, batch, 2)
    restored = new_state(tiny_run, CPU.device)
    fresh = restored.state_dict()
    restored.load_state_dict(state.tensors(), state.state_dict() | {"optimizers": fresh["optimizers"]})
    for run in (state, restored):
        Stepper(run, tiny_run, CPU)(batch)
    assert not same(state, restored)


def test_the_seed_fixes_the_initial_weights(tiny_run: RunConfig) -> None:
    one, same_seed = (new_state(tiny_run, CPU.device) for _ in "ab")
    other = new_state(tiny_run.model_copy(update={"seed": 1}), CPU.device)
    assert same(one, same_seed)
    assert not same(one, other)


@pytest.mark.parametrize("file", ["weights.safetensors", "state.pt"])
@pytest.mark.parametrize("damage", ["missing", "cut", "garbage"])
@pytest.mark.parametrize("has_sums", [True, False])
def test_a_damaged_checkpoint_is_named(
    tiny_run: RunConfig, tmp_path: Path, file: str, damage: str, *, has_sums: bool
) -> None:
    checkpoint = save_state(tmp_path, new_state(tiny_run, CPU.device))
    if not has_sums:
        (checkpoint / SUMS).unlink()
    path = checkpoint / file
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[:1000] if damage == "cut" else b"garbage")
    with pytest.raises(CheckpointError, match=checkpoint.name):
        load_state(checkpoint, new_state(tiny_run, CPU.device))


@pytest.mark.parametrize("file", ["weights.safetensors", "state.pt"])
def test_one_bit_that_rots_is_noticed(tiny_run: RunConfig, tmp_path: Path, file: str) -> None:
    checkpoint = save_state(tmp_path, new_state(tiny_run, CPU.device))
    load_state(checkpoint, new_state(tiny_run, CPU.device))
    content = bytearray((checkpoint / file).read_bytes())
    content[len(content) // 2] ^= 1
    (checkpoint / file).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{file} has changed since it was written"):
        load_state(checkpoint, new_state(tiny_run, CPU.device))


@pytest.mark.parametrize(
    "wrong",
    [
        {"step": "abc"}, {"step": -5}, {"step": 10**30}, {"best": [1]}, {"best": [1, "x"]}, {"streaks": 3},
        {"rollbacks": None}, {"optimizers": []}, {"random": torch.zeros(3)},
    ],
    ids=str,
)  # fmt: skip
def test_a_state_of_wrong_types_is_refused(
    tiny_run: RunConfig, batch: Batch, tmp_path: Path, wrong: dict[str, object]
) -> None:
    state = stepped(tiny_run, batch, 1)
    checkpoint = save_state(tmp_path, state)
    torch.save({**state.state_dict(), **wrong}, checkpoint / "state.pt")
    (checkpoint / SUMS).unlink()
    with pytest.raises(CheckpointError, match="cannot be read: .*; remove its folder"):
        load_state(checkpoint, new_state(tiny_run, CPU.device))


def test_an_optimizers_state_of_other_parameters_is_refused(tiny_run: RunConfig, batch: Batch, tmp_path: Path) -> None:
    """Planted: a fused step on it writes past the ends of tensors."""
    state = stepped(tiny_run, batch, 1)
    checkpoint = save_state(tmp_path, state)
    saved = torch.load(checkpoint / "state.pt", weights_only=True)
    saved["optimizers"]["discriminator"]["state"][0]["exp_avg"] = torch.zeros(7)
    torch.save(saved, checkpoint / "state.pt")
    (checkpoint / SUMS).unlink()
    with pytest.raises(CheckpointError, match="the optimizer's state of a parameter"):
        load_state(checkpoint, new_state(tiny_run, CPU.device))


def test_a_disk_that_fills_up_in_torch_save_is_said_so(
    tiny_run: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        try:
            raise OSError(28, "No space left on device")
        finally:
            raise RuntimeError("[enforce fail at inline_container.cc:672]")  # noqa: B012

    monkeypatch.setattr(checkpoint_module.torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        save_state(tmp_path, new_state(tiny_run, CPU.device))


def test_a_save_that_fails_leaves_the_previous_one(
    tiny_run: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = new_state(tiny_run, CPU.device)
    checkpoint = save_state(tmp_path, state)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_module.torch, "save", full)
    state.step = 1
    with pytest.raises(OSError, match="No space"):
        save_state(tmp_path, state)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir() and path.name != "dataset"] == [checkpoint.name]


class Malice:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def test_code_in_a_checkpoint_does_not_run(tiny_run: RunConfig, tmp_path: Path) -> None:
    checkpoint = save_state(tmp_path, new_state(tiny_run, CPU.device))
    saved = torch.load(checkpoint / "state.pt", weights_only=True)
    torch.save({**saved, "position": Malice(tmp_path / "owned")}, checkpoint / "state.pt")
    (checkpoint / SUMS).unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_state(checkpoint, new_state(tiny_run, CPU.device))
    assert not (tmp_path / "owned").exists()


def test_other_networks_are_refused(tiny_run: RunConfig, tmp_path: Path) -> None:
    checkpoint = save_state(tmp_path, new_state(tiny_run, CPU.device))
    method = NiceGAN(network=TINY.model_copy(update={"blocks": 2}))
    with pytest.raises(CheckpointError, match="other networks"):
        load_state(checkpoint, new_state(tiny_run.model_copy(update={"method": method}), CPU.device))


def test_pointers_and_pruning(tmp_path: Path) -> None:
    checkpoints = tmp_path / "checkpoints"
    saved_at = [checkpoints / f"{step:09d}" for step in (1, 2, 3, 4, 5)]
    for checkpoint in saved_at:
        checkpoint.mkdir(parents=True)
    point_to(tmp_path / "best", saved_at[0], "test", score=1.0)
    assert pointed_at(tmp_path / "best") == saved_at[0]
    assert pointed_at(tmp_path / "latest") is None
    prune(checkpoints, 2, {saved_at[0], None})
    assert sorted(checkpoints.iterdir()) == [saved_at[0], saved_at[3], saved_at[4]]


def test_a_run_stands_at_latest_or_else_at_its_newest_checkpoint(tmp_path: Path) -> None:
    checkpoints, folder = tmp_path / "checkpoints", RunFolder(tmp_path)
    assert resume_point(folder) is None
    saved_at = [checkpoints / f"{step:09d}" for step in (1, 2)]
    for checkpoint in [*saved_at, checkpoints / ".000000003.77"]:
        checkpoint.mkdir(parents=True)
    assert resume_point(folder) == saved_at[1]
    point_to(tmp_path / "latest", saved_at[0], "test")
    assert resume_point(folder) == saved_at[0]
    (tmp_path / "latest").write_text("")
    assert resume_point(folder) == saved_at[1]


def test_a_folder_of_another_run_is_refused_with_the_difference(tiny_run: RunConfig, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.claim(tiny_run, {"machine": "one"})
    longer = tiny_run.model_copy(update={"steps": 99, "device": "cuda"})
    folder.claim(longer, {"machine": "another"})
    assert folder.read_config() == longer
    description = folder.read_description()
    assert (description["machine"], description["resumed"]) == ("one", [{"machine": "another"}])
    method = NiceGAN(network=TINY, loss=NiceGANLoss(cycle=2.0))
    other = tiny_run.model_copy(update={"seed": 5, "method": method})
    with pytest.raises(ConfigError, match=r"seed: 0 there, 5 asked for") as caught:
        folder.claim(other, {})
    assert "loss.cycle: 10.0 there, 2.0 asked for" in str(caught.value)


def test_a_folder_of_other_things_is_left_alone(tiny_run: RunConfig, dataset: Path) -> None:
    with pytest.raises(ConfigError, match="is not a run folder"):
        RunFolder(dataset).claim(tiny_run, {})
    with pytest.raises(ConfigError, match="is not a run folder"):
        RunFolder(dataset / "trainA" / "image_000.png").claim(tiny_run, {})


def test_a_run_is_trained_by_one_process_at_a_time(tiny_run: RunConfig, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.claim(tiny_run, {})
    folder.release()
    with FileLock(tmp_path / "run/.lock"), pytest.raises(ConfigError, match="another process trains in .*run"):
        RunFolder(tmp_path / "run").refuse_misuse(tiny_run)
    folder.refuse_misuse(tiny_run)
    with pytest.raises(Timeout):
        FileLock(tmp_path / "run/.lock", timeout=0).acquire()
    folder.release()


def test_a_kill_while_a_folder_is_claimed_leaves_it_free(tiny_run: RunConfig, tmp_path: Path) -> None:
    for name in (".lock", ".config.json.123"):
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / name).touch()
    RunFolder(tmp_path / "run").claim(tiny_run, {})
    RunFolder(tmp_path / "run").remove_partial()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [".lock", "config.json"]


def test_what_kills_leave_in_a_run_folder_is_removed(tiny_run: RunConfig, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for name in (".model.safetensors.12", ".latest.12", ".best.7", ".notes", "model.safetensors"):
        (tmp_path / name).touch()
    folder.remove_partial()
    assert {path.name for path in tmp_path.iterdir()} >= {".notes", "model.safetensors"}
    assert not list(tmp_path.glob(".*.[0-9]*"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"format_version": 99, "config": {}, "new": 1}', "newer nicegan .format 99.: update nicegan"),
        ("[" * 200_000, "cannot be read"),
        ("[]", "cannot be read"),
    ],
)
def test_a_config_that_cannot_be_used_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ConfigError, match=said):
        RunFolder(tmp_path).read_description()


def test_weights_of_other_shapes_are_refused(tiny_run: RunConfig) -> None:
    state = new_state(tiny_run, CPU.device)
    name, tensor = next(iter(state.tensors().items()))
    with pytest.raises(CheckpointError, match="of other networks"):
        state.load_state_dict({**state.tensors(), name: tensor.flatten()[:1]}, state.state_dict())


@pytest.mark.parametrize("device", ["cuda:7", "gpu", "xpu", "meta", "hpu", ""])
def test_a_device_that_is_not_there(device: str) -> None:
    with pytest.raises(ConfigError, match="cannot be used here; there is cpu"):
        set_up_machine(device, "auto")


def test_a_precision_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="NVIDIA"):
        set_up_machine("cpu", "tf32")


def test_bfloat16_trains_nearly_like_float32(tiny_run: RunConfig, batch: Batch) -> None:
    terms = []
    for precision in ("float32", "bfloat16"):
        state = new_state(tiny_run, CPU.device)
        terms.append(Stepper(state, tiny_run, Machine(CPU.device, precision))(batch))
        assert all(torch.isfinite(tensor).all() for tensor in state.tensors().values())
    for name, exact in terms[0].items():
        torch.testing.assert_close(terms[1][name].float(), exact, rtol=0.05, atol=0.05)


SINCE = {
    1: ("rollbacks", "num_worse", "position", "drawn", "processes"),
    2: ("num_worse", "position", "drawn", "processes"),
    3: ("processes",),
}


@pytest.mark.parametrize("version", SINCE)
def test_checkpoints_of_older_formats_are_migrated_and_newer_ones_refused(
    tiny_run: RunConfig, tmp_path: Path, version: int
) -> None:
    state = new_state(tiny_run.model_copy(update={"batch_size": 3}), CPU.device)
    state.step, state.samples_seen = 7, 21
    checkpoint = save_state(tmp_path, state)
    saved = torch.load(checkpoint / "state.pt", weights_only=True)
    for name in SINCE[version]:
        del saved[name]
    saved["optimizers"] = list(saved["optimizers"].values())
    torch.save({**saved, "format_version": version}, checkpoint / "state.pt")
    (checkpoint / SUMS).unlink()
    restored = new_state(tiny_run.model_copy(update={"batch_size": 3}), CPU.device)
    load_state(checkpoint, restored)
    assert (restored.rollbacks, restored.num_worse, restored.position, restored.samples_seen) == (0, 0, {}, 21)
    torch.save({**saved, "format_version": 99}, checkpoint / "state.pt")
    with pytest.raises(CheckpointError, match="newer nicegan"):
        load_state(checkpoint, restored)
