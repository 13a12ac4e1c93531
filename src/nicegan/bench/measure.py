"""What `nicegan bench` measures. Each function returns one part of the results, as it stands in the JSON file."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from nicegan.bench import sides
from nicegan.bench.turns import Measured, take_turns
from nicegan.data.training_data import TrainingData
from nicegan.device import set_up_machine, use_device
from nicegan.errors import NiceganError
from nicegan.run_config import RunConfig
from nicegan.training.logger import describe_origin

Say = Callable[[str], None]
Part = dict[str, Any]
NUM_IMAGES = 32  # a domain, for data and start-up


class Plan(NamedTuple):
    """What to measure with: settings, the reference's file if there is one, and how often."""

    config: RunConfig
    reference: Path | None
    rounds: int
    say: Say


def surroundings(config: RunConfig) -> Part:
    """Machine, versions and commit."""
    return describe_origin(str(set_up_machine(config.device, "auto", config.num_threads)))


def precisions(plan: Plan) -> tuple[str, str]:
    """Return the full precision of the device, and bfloat16."""
    return ("tf32" if use_device(plan.config.device).type == "cuda" else "float32"), "bfloat16"


def measure_step(plan: Plan) -> Part:
    """Seconds of a training step in both precisions, of the reference's, and of the floor under each."""
    device = str(use_device(plan.config.device))
    contenders: dict[str, Any] = {}
    if plan.reference:
        contenders["reference"] = (
            sides.reference_step, {"config": plan.config, "device": device, "file": plan.reference},
        )  # fmt: skip
    for precision in precisions(plan):
        config = plan.config.model_copy(update={"precision": precision})
        contenders[f"nicegan {precision}"] = (sides.step, {"config": config})
        if device.startswith("cuda"):
            eager = config.model_copy(update={"cuda_graphs": False})
            contenders[f"nicegan {precision}, no graphs"] = (sides.step, {"config": eager})
        contenders[f"convolution {precision}"] = (sides.convolution, {"config": config, "precision": precision})
    measured = take_turns(contenders, plan.rounds, plan.say)
    part: Part = {name: result.as_json() for name, result in measured.items()}
    for precision in precisions(plan):
        ours, bare = measured[f"nicegan {precision}"], measured[f"convolution {precision}"]
        throughput = bare.facts["flops"] / bare.median
        floor = ours.facts["flops"] / throughput
        part[f"nicegan {precision}"] |= {
            "floor_seconds": floor, "times_floor": ours.median / floor,
            "convolution_flops_per_second": throughput, **_against(measured, ours),
        }  # fmt: skip
    return part


def _against(measured: dict[str, Measured], ours: Measured) -> Part:
    reference = measured.get("reference")
    if reference is None:
        return {}
    ratios = {"times_faster": reference.median / ours.median}
    if "kept_activations" in reference.facts:
        ratios["activations_ratio"] = ours.facts["kept_activations"] / reference.facts["kept_activations"]
    return ratios


def measure_translation(plan: Plan) -> Part:
    """Return images a second through a trained model, in both precisions, and through the reference."""
    device = str(use_device(plan.config.device))
    contenders: dict[str, Any] = {}
    if plan.reference:
        settings = {"config": plan.config, "device": device, "file": plan.reference}
        contenders["reference"] = (sides.reference_translation, settings)
    for precision in precisions(plan):
        contenders[f"nicegan {precision}"] = (sides.translation, {"config": plan.config, "precision": precision})
    measured = take_turns(contenders, plan.rounds, plan.say)
    part: Part = {}
    for name, result in measured.items():
        against = _against(measured, result) if name != "reference" else {}
        speed = plan.config.batch_size / result.median
        part[name] = {**result.as_json(), "images_per_second": speed, **against}
    part["mean difference, of 255"] = sides.difference(plan.config, precisions(plan))
    return part


def measure_data(plan: Plan) -> Part:
    """Training images a second from the cache, on one core, cropped, flipped and scaled."""
    plan.say("data")
    with tempfile.TemporaryDirectory() as folder, _cache_in(folder):
        _paint(Path(folder), plan.config.size)
        data = TrainingData(plan.config.model_copy(update={"data": Path(folder)}), lambda *_: None)
        threads, count, seconds = torch.get_num_threads(), 0, []
        torch.set_num_threads(1)
        for _ in range(plan.rounds + 1):
            start, count = time.perf_counter(), 0
            while time.perf_counter() - start < 0.5:
                data.batch(count * plan.config.batch_size, torch.device("cpu"))
                count += 1
            seconds.append((time.perf_counter() - start) / (2 * count * plan.config.batch_size))
        torch.set_num_threads(threads)
    result = Measured(seconds[1:], {})
    return {"one core": {**result.as_json(), "images_per_second": 1 / result.median}}


def measure_start_up(plan: Plan) -> Part:
    """Seconds of `nicegan --help`, and from the command to the first training step with the cache there."""
    with tempfile.TemporaryDirectory() as folder, _cache_in(folder):
        _paint(Path(folder), plan.config.size)
        size = [str(side) for side in plan.config.size]
        train = [
            "train", folder, "--recipe", plan.config.recipe, "--steps", "1", "--log-every", "1", "--image-size", *size,
            "--device", plan.config.device, "--batch-size", str(plan.config.batch_size),
        ]  # fmt: skip
        helps, firsts = [], []
        for turn in range(plan.rounds + 1):
            plan.say(f"start-up {turn + 1} of {plan.rounds + 1}")
            helps.append(_seconds_of(["--help"], None))
            run = Path(folder) / f"run{turn}"
            firsts.append(_seconds_of([*train, "--out", str(run)], run / "metrics.jsonl"))
    return {"help": Measured(helps[1:], {}).as_json(), "first step": Measured(firsts[1:], {}).as_json()}


def _seconds_of(arguments: list[str], until: Path | None) -> float:
    """Return how long `nicegan ARGUMENTS` takes, or takes until a file has a line."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "nicegan", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while process.poll() is None and not (until and until.is_file() and until.stat().st_size):
            time.sleep(0.005)
        if process.returncode:
            raise NiceganError(f"nicegan {' '.join(arguments)} failed with exit code {process.returncode}")
        return time.perf_counter() - start
    finally:
        process.kill()
        process.wait()


@contextmanager
def _cache_in(folder: str) -> Iterator[None]:
    """Within, decoded images are kept in a folder of the benchmark's own."""
    before = os.environ.get("NICEGAN_CACHE")
    os.environ["NICEGAN_CACHE"] = str(Path(folder) / "cache")
    try:
        yield
    finally:
        del os.environ["NICEGAN_CACHE"]
        if before is not None:
            os.environ["NICEGAN_CACHE"] = before


def _paint(folder: Path, size: tuple[int, int]) -> None:
    """Two small domains of noise."""
    random = np.random.default_rng(0)
    for domain in ("trainA", "trainB"):
        (folder / domain).mkdir()
        for i in range(NUM_IMAGES):
            Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / domain / f"{i}.png")
