"""Several processes are one run: the gradients, files and answers of one process, and what happens when one dies."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from tests.conftest import TINY as NETWORK
from tests.conftest import write_images
from tests.end_to_end.test_runs import ONE_THREAD, TINY, nicegan_command, timeless
from tests.feature_networks import write_network

from nicegan.methods.nicegan.build import build_translation_model
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.model_file import ModelSpec, save_model
from nicegan.recipes import recipe
from nicegan.run_folder import RunFolder

LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
MAY_DIFFER = 1e-6  # of gradients, absolute, in float64: float32 rounds gradients of these sizes to 1e-5 (docs/LOG.md)

GRADIENTS = """
import sys
from pathlib import Path
import torch
from rich.console import Console
from safetensors.torch import save_file
from nicegan.distributed import joined
from nicegan.run_folder import RunFolder
from nicegan.shapes import Batch
from nicegan.training.trainer import Run

torch.set_default_dtype(torch.float64)
config, out = RunFolder(Path(sys.argv[1])).read_config(), Path(sys.argv[2])
config = config.model_copy(update=dict(batch_size=int(sys.argv[3]), accumulate=int(sys.argv[4])))
with joined() as processes, Run(config, out / "run", Console(quiet=True), processes) as run:
    found = {}
    look = run.stepper.finite.look
    def keep(step, phase, terms):
        found.update({f"{phase.name}/{n}": p.grad.clone().contiguous() for n, p in phase.named_parameters()})
        return look(step, phase, terms)
    run.stepper.finite.look = keep
    images = run.data.batch(0, run.machine.device)
    for _ in range(int(sys.argv[5])):
        run.stepper(Batch(*(side.double() for side in images)))
    if processes.is_first:
        save_file(found, out / "gradients.safetensors")
"""


def launch(number: int, *arguments: object, options: tuple[str, ...] = ()) -> list[str]:
    return [*LAUNCH, *options, "--nproc-per-node", str(number), *map(str, arguments)]


def together(number: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    done = launch(number, "-m", "nicegan", *arguments)
    return subprocess.run(done, capture_output=True, text=True, check=False, env=ONE_THREAD, timeout=300)


@pytest.fixture
def described(dataset: Path, tmp_path: Path) -> Path:
    return describe(tmp_path / "described", dataset)


def describe(folder: Path, dataset: Path, **changes: object) -> Path:
    """Make a run folder that only says what to train."""
    network = {"base_channels": 4, "blocks": 1, "depth": 6, "shared_layers": 2}
    config = recipe(
        "nicegan-tiny", data=dataset, image_size=48, device="cpu", log_every=1, network=network,
        optimizer={"learning_rate": 1e-12}, **changes,
    )  # fmt: skip
    RunFolder(folder).claim(config, {"machine": "test"})
    return folder


def gradients(
    described: Path, out: Path, processes: int, batch_size: int, accumulate: int, steps: int = 1
) -> dict[str, torch.Tensor]:
    """Of the last of a run's first steps, in every phase: each as its optimizer gets them."""
    out.mkdir()
    script = out / "gradients.py"
    script.write_text(GRADIENTS)
    arguments = [str(script), str(described), str(out), *map(str, (batch_size, accumulate, steps))]
    command = launch(processes, *arguments) if processes > 1 else [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ONE_THREAD, timeout=300)
    assert done.returncode == 0, done.stderr
    return load_file(out / "gradients.safetensors")


def test_the_gradients_are_those_of_one_process_with_the_whole_batch(described: Path, tmp_path: Path) -> None:
    alone = gradients(described, tmp_path / "alone", 1, 4, 1)
    assert {name.partition("/")[0] for name in alone} == {"discriminator", "generator"}
    assert max(gradient.abs().max() for gradient in alone.values()) > 1e-2
    others = {"two processes, accumulated": gradients(described, tmp_path / "both", 2, 1, 2)}
    if "NICEGAN_THOROUGH" in os.environ:
        others["two processes"] = gradients(described, tmp_path / "two", 2, 2, 1)
        others["accumulated"] = gradients(described, tmp_path / "accumulated", 1, 1, 4)
    for name, other in others.items():
        assert set(other) == set(alone)
        apart = max((other[key] - alone[key]).abs().max().item() for key in alone)
        assert apart < MAY_DIFFER, name


def test_what_may_be_added_to_nicegan_keeps_to_that(dataset: Path, tmp_path: Path) -> None:
    """But for augmentation, whose random numbers are each process's own. The second step knows the logits of the first:
    of all images, or the running means would differ. Patches are few enough to be compared all."""
    loss = {"r1": 1.0, "r1_every": 1, "lecam": 0.5, "contrastive": 1.0, "final_consistency": 0.5}
    described = describe(tmp_path / "described", dataset, loss=loss, **{"network.downsample": "blurred"})
    alone = gradients(described, tmp_path / "alone", 1, 4, 1, steps=2)
    both = gradients(described, tmp_path / "both", 2, 1, 2, steps=2)
    assert {name.partition("/")[0] for name in alone} == {"discriminator", "r1", "generator"}
    assert set(both) == set(alone)
    assert max((both[key] - alone[key]).abs().max().item() for key in alone) < MAY_DIFFER


def test_two_processes_train_are_stopped_and_go_on_as_one(dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    # At this learning rate the terms of a step tell which images it saw, and nothing else.
    settings = [*TINY, "--optimizer.learning-rate", "1e-9", "--batch-size", 1, "--checkpoint-every", 2]
    first = together(2, "train", dataset, *settings, "--steps", 4, "--out", run)
    assert first.returncode == 0, first.stderr
    assert first.stderr.count("2 processes, into") == 1, "only the first process speaks"
    assert [line["step"] for line in timeless(run) if "learning_rate" in line] == [1, 2, 3, 4]
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["000000002", "000000004"]
    state = torch.load(run / "checkpoints/000000004/state.pt", weights_only=True)
    assert state["drawn"] == 8
    assert len(state["processes"]) == 2

    alone = nicegan_command("train", "--resume", run, "--steps", 6, "--accumulate", 2)
    assert alone.returncode == 0, alone.stderr
    whole = tmp_path / "whole"
    straight = nicegan_command("train", dataset, *settings, "--accumulate", 2, "--steps", 6, "--out", whole)
    assert straight.returncode == 0, straight.stderr
    terms = [[line for line in timeless(folder) if "learning_rate" in line] for folder in (run, whole)]
    for one, other in zip(*terms, strict=True):
        for name in one.keys() - {"learning_rate"}:
            assert one[name] == pytest.approx(other[name], rel=1e-4), f"step {one['step']}: the same images"
    assert torch.load(run / "checkpoints/000000006/state.pt", weights_only=True)["drawn"] == 12


@pytest.mark.long
def test_a_killed_worker_is_started_again_from_the_last_checkpoint(dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ["-m", "nicegan", "train", dataset, *TINY, "--batch-size", 1, "--steps", 12,
                 "--checkpoint-every", 3, "--out", run]  # fmt: skip
    process = subprocess.Popen(
        launch(2, *arguments, options=("--max-restarts", "2")), stderr=subprocess.PIPE, text=True, env=ONE_THREAD
    )
    deadline = time.monotonic() + 120
    while process.poll() is None and not (run / "latest").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(worker_of(process.pid), signal.SIGKILL)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "resuming at step" in err
    assert json.loads((run / "latest").read_text())["step"] == 12
    assert [line["step"] for line in timeless(run) if "learning_rate" in line] == list(range(1, 13))


ATTEMPT = """
import os, sys, time
from pathlib import Path
from nicegan.distributed import joined

there = Path(sys.argv[1])
if os.environ["RANK"] == "0":
    while not there.exists():
        time.sleep(0.01)
    time.sleep(1)
else:
    there.touch()
with joined() as processes:
    print(processes.all_gather(processes.rank), flush=True)
    os._exit(0)  # without a goodbye, like one that was killed
"""


def test_a_new_attempt_does_not_look_for_the_dead(tmp_path: Path) -> None:
    """torchrun's store outlives the processes, and the second to join meets the addresses of the attempt before."""
    store = dist.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)  # pyright: ignore[reportPrivateImportUsage]
    launched = {
        **ONE_THREAD, "GROUP_WORLD_SIZE": "1", "WORLD_SIZE": "2", "TORCHELASTIC_USE_AGENT_STORE": "True",
        "MASTER_ADDR": "localhost", "MASTER_PORT": str(store.port),
    }  # fmt: skip
    for attempt in "01":
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", ATTEMPT, str(tmp_path / attempt)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env={**launched, "TORCHELASTIC_RESTART_COUNT": attempt, "RANK": rank, "LOCAL_RANK": rank},
            )
            for rank in "01"
        ]  # fmt: skip
        try:
            answers = [worker.communicate(timeout=60) for worker in workers]
        finally:
            for worker in workers:
                worker.kill()
        assert [out for out, _ in answers] == ["[0, 1]\n"] * 2, answers


def worker_of(launcher: int) -> int:
    """The last of a launcher's own processes that trains."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return int(children[-1])


def test_a_signal_to_the_launcher_saves_and_stops_all(dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = subprocess.Popen(
        launch(2, "-m", "nicegan", "train", dataset, *TINY, "--batch-size", 1, "--steps", 10**5, "--out", run),
        stderr=subprocess.PIPE, text=True, env=ONE_THREAD,
    )  # fmt: skip
    while process.poll() is None and len(RunFolder(run).read_metrics()) < 3:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert "stopped and saved at step" in err
    step = json.loads((run / "latest").read_text())["step"]
    assert step >= 3
    again = nicegan_command("train", "--resume", run, "--steps", step + 1)
    assert f"resuming at step {step}" in again.stderr


@pytest.mark.long
def test_a_mistake_is_said_once_by_all(dataset: Path, tmp_path: Path) -> None:
    (dataset / "trainA" / "broken.png").write_bytes(b"no image")
    done = together(2, "train", dataset, *TINY, "--out", tmp_path / "run")
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if line.startswith("nicegan: ")]
    assert len(said) == 1
    assert "1 of 18 images cannot be read" in said[0]
    other = together(2, "demo")
    assert other.stderr.count("nicegan: demo is the work of one process") == 1


def write_model(path: Path) -> Path:
    """A tiny model that has learned nothing."""
    torch.manual_seed(0)
    spec = ModelSpec(method=NiceGAN(network=NETWORK), image_size=(64, 64))
    save_model(path, spec, build_translation_model(NETWORK, (64, 64)))
    return path


def test_translating_is_shared_and_gives_the_same_files(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.safetensors")
    write_images(tmp_path / "in", 7)
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    for number in (1, 3):
        arguments = ("translate", model, tmp_path / "in", "--to", "B", "--out", tmp_path / f"out{number}")
        arguments += ("--batch-size", "1")  # of other batches the sums are added in another order
        done = together(number, *arguments) if number > 1 else nicegan_command(*arguments)
        assert done.stderr.count("1 of 8 images cannot be translated") == 1
    names = sorted(path.name for path in (tmp_path / "out1").iterdir())
    assert len(names) == 7
    assert names == sorted(path.name for path in (tmp_path / "out3").iterdir())
    for name in names:
        assert (tmp_path / "out1" / name).read_bytes() == (tmp_path / "out3" / name).read_bytes()


@pytest.mark.long
def test_evaluating_is_shared_and_gives_the_same_scores(dataset: Path, tmp_path: Path) -> None:
    features = write_network(tmp_path / "means.pt")
    found = []
    for number in (1, 2):
        arguments = ("evaluate", write_model(tmp_path / "model.safetensors"), "--data", dataset, "--features", features,
                     "--device", "cpu", "--json", tmp_path / f"{number}.json")  # fmt: skip
        done = together(number, *arguments) if number > 1 else nicegan_command(*arguments)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("A to B against 3 real images") == 1
        found.append(json.loads((tmp_path / f"{number}.json").read_text())["evaluations"])
    assert found[0] == found[1]
