"""Memory and speed of drawing many images once: from text lists (through the cache) and from tar shards.

    python benchmarks/inputs.py --images 100000 --out benchmarks/results

writes inputs_cpu.md. The images (32 px JPEGs, half of them for either domain) are painted into a temporary folder, or
into --folder and kept. Each kind of input is a process of its own, which decodes or streams all of them in batches and
says now and then what memory it holds: its own (anonymous), and pages of mapped files, which the system takes back when
it needs them.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from nicegan.data.training_data import TrainingData
from nicegan.device import set_up_machine
from nicegan.methods.nicegan.config import NiceGAN, NiceGANNetwork
from nicegan.run_config import RunConfig
from nicegan.training.logger import source_commit

KINDS = {"list": "text lists", "tar": "tar shards"}
NUM_SHARDS = 10  # a domain
NUM_READINGS = 10
CPU = torch.device("cpu")


class Reading(NamedTuple):
    """Memory in bytes and the time in seconds when so many images were done."""

    phase: str
    num_images: int
    own: int
    mapped: int
    seconds: float


def encoded(number: int, random: np.random.Generator) -> bytes:
    small = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).resize((32, 32), Image.Resampling.BILINEAR).save(file, "JPEG", quality=80 + number % 10)
    return file.getvalue()


def paint(folder: Path, num_images: int) -> None:
    """Lists and shards of the same images in two dataset folders, "list" and "tar"."""
    random = np.random.default_rng(0)
    for domain in "AB":
        names = []
        (folder / "tar").mkdir(parents=True, exist_ok=True)
        for shard in range(NUM_SHARDS):
            below = folder / "list" / f"images{domain}" / f"{shard:03d}"
            below.mkdir(parents=True)
            with tarfile.open(folder / "tar" / f"train{domain}-{shard:03d}.tar", "w") as tar:
                for number in range(num_images // (2 * NUM_SHARDS)):
                    path = below / f"{number:06d}.jpg"
                    path.write_bytes(encoded(number, random))
                    tar.add(path, f"{shard:03d}/{path.name}")
                    names.append(str(path.relative_to(folder / "list")))
        (folder / "list" / f"train{domain}.txt").write_text("\n".join(names))


def memory() -> tuple[int, int]:
    """Bytes of this process's own and of mapped files."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own, mapped = (int(lines[name].split()[0]) * 1024 for name in ("RssAnon", "RssFile"))
    return own, mapped


def settings(data: Path) -> RunConfig:
    network = NiceGANNetwork(base_channels=4, blocks=1, depth=6)
    return RunConfig(
        data=data, method=NiceGAN(network=network), image_size=48, crop_margin=8, batch_size=16, device="cpu"
    )


def drawn(data: Path, num_images: int) -> Iterator[Reading]:
    """Open the inputs and draw every image of both domains once, with readings on the way."""
    readings: list[Reading] = []
    start = time.perf_counter()

    def told(what: str, done: int, total: int) -> None:
        if not what.startswith("test") and total > 1 and done % max(1, num_images // 2 // NUM_READINGS) == 0:
            readings.append(Reading(f"decoding {what}", done, *memory(), time.perf_counter() - start))

    inputs = TrainingData(settings(data), told)
    yield from readings
    yield Reading("opened", 0, *memory(), time.perf_counter() - start)
    start = time.perf_counter()
    num_steps = num_images // 2 // inputs.per_process
    for step in range(num_steps):
        inputs.batch(step * inputs.per_process, CPU)
        if (step + 1) % max(1, num_steps // NUM_READINGS) == 0:
            done = 2 * (step + 1) * inputs.per_process
            yield Reading("drawing", done, *memory(), time.perf_counter() - start)
    inputs.close()


def slope(readings: list[Reading]) -> float:
    """Bytes of own memory per image, by least squares, over the drawing after its first fifth."""
    drawing = [reading for reading in readings if reading.phase == "drawing"]
    kept = drawing[len(drawing) // 5 :]
    return float(np.polyfit([reading.num_images for reading in kept], [reading.own for reading in kept], 1)[0])


def table(readings: list[Reading]) -> list[str]:
    lines = ["| phase | images | own memory, MiB | mapped files, MiB | seconds |", "|---|---|---|---|---|"]
    return lines + [
        f"| {r.phase} | {r.num_images:,} | {r.own / 2**20:.1f} | {r.mapped / 2**20:.1f} | {r.seconds:.1f} |"
        for r in readings
    ]


def section(kind: str, readings: list[Reading]) -> list[str]:
    last = readings[-1]
    return [
        "",
        f"## {KINDS[kind].capitalize()}",
        "",
        f"{slope(readings):.1f} bytes of own memory per image drawn; {last.num_images / last.seconds:.0f} images/s.",
        "",
        *table(readings),
    ]


def measured(kind: str, data: Path, num_images: int) -> list[Reading]:
    """`drawn` in a process of its own."""
    command = [sys.executable, __file__, "--images", str(num_images), "--folder", str(data), "--kind", kind]
    environment = {**os.environ, "NICEGAN_CACHE": str(data / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return [Reading(*json.loads(line)) for line in done.stdout.splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--folder", type=Path, help="where to paint and keep them")
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    given: Any = parser.parse_args()
    if given.kind:
        for reading in drawn(given.folder / given.kind, given.images):
            print(json.dumps(reading), flush=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        data = given.folder or Path(folder)
        paint(data, given.images)
        lines = [
            f"# {given.images:,} images through each input",
            "",
            f"Machine: {set_up_machine('auto', 'auto')}, commit {source_commit()}. "
            f"`python benchmarks/inputs.py --images {given.images}`: 32 px JPEGs,",
            "scaled to 56 px and cropped to 48, 16 of either domain a step; no network is trained.",
        ]
        for kind in KINDS:
            lines += section(kind, measured(kind, data, given.images))
    print("\n".join(lines))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "inputs_cpu.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
