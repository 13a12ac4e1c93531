"""Runs that fail in known ways, and pictures of each: python benchmarks/looks_bad.py --out looks --figures docs/figures

Painted scenes by day and by night, networks of 4 to 8 channels: about a minute on one CPU core for all. The tests
hold the hints of reports to these very runs.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console

from nicegan.analysis.images import chosen_images
from nicegan.data.augment import to_pixels
from nicegan.data.places import find_dataset
from nicegan.data.synthetic import DAY, NIGHT, Palette, draw_layout, paint, write_demo_data
from nicegan.methods.base import TranslationModel
from nicegan.model_file import load_model, save_model
from nicegan.recipes import recipe
from nicegan.run_folder import RunFolder
from nicegan.shapes import OTHER
from nicegan.sheets import Group, plot_sheet
from nicegan.training.samples import translated
from nicegan.training.trainer import train

NUM_SHOWN, NUM_TEST = 3, 24  # scenes of each direction in a picture; scenes of each domain to test on
ALWAYS: Mapping[str, Any] = {
    "crop_margin": 4, "log_every": 1, "sample_every": 10**6, "checkpoint_every": 10**6, "score_every": 100,
    "device": "cpu", "num_threads": 1,
}  # fmt: skip
NICE = {"base_channels": 4, "blocks": 1, "depth": 6, "shared_layers": 2, "initialization": "independent"}
SLOW = {"learning_rate": 4e-4}
CYCLE = {"base_channels": 8, "blocks": 1, "discriminator_channels": 8}


def negate(networks: TranslationModel) -> None:
    """Turn every translation of a model whose generators end in an odd function into its negative."""
    with torch.no_grad():
        for name, parameter in networks.named_parameters():
            if ".exit." in name:
                parameter.neg_()


def shaded(palette: Palette, end: int) -> Palette:
    """Return the colours of a palette, each 60 % nearer to black (0) or to white (255)."""
    return Palette._make(tuple(round(0.4 * level + 0.6 * end) for level in colour) for colour in palette)


class TrainingPalettes(NamedTuple):
    """How the scenes to train on are painted, in turn: those of A and those of B. Test scenes are DAY and NIGHT."""

    a: tuple[Palette, ...]
    b: tuple[Palette, ...]


MIXED = TrainingPalettes((DAY, NIGHT), (DAY, NIGHT))  # wrongly sorted folders
EXTREME = TrainingPalettes((shaded(DAY, 255),), (shaded(NIGHT, 0),))  # one glaring day, one moonless night


class KnownRun(NamedTuple):
    """A run whose flaw is known: its recipe and settings, its scenes, and what is done to the model afterwards."""

    recipe: str
    settings: Mapping[str, Any]
    num_train: int = 40
    palettes: TrainingPalettes | None = None
    change: Callable[[TranslationModel], None] | None = None


SAME = KnownRun(
    "cyclegan-tiny",
    {
        "network": CYCLE, "loss": {"identity": 10.0}, "optimizer": {"learning_rate": 2e-3}, "image_size": 32,
        "crop_margin": 0, "steps": 300, "score_every": 300,
    },
    num_train=24,
    palettes=MIXED,
)  # fmt: skip
RUNS: dict[str, KnownRun] = {
    "healthy": KnownRun("nicegan-tiny", {"network": NICE | {"upsample": "nearest"}, "optimizer": SLOW, "steps": 60}),
    "pattern": KnownRun("nicegan-tiny", {"network": NICE | {"upsample": "subpixel"}, "optimizer": SLOW, "steps": 60}),
    "guessing": KnownRun(
        "nicegan-tiny",
        {
            "network": NICE | {"upsample": "nearest"}, "optimizer": {"learning_rate": 0.3}, "image_size": 48,
            "steps": 160,
        },
    ),
    "winning": KnownRun("cyclegan-tiny", {"network": CYCLE, "loss": {"cycle": 1000.0}, "steps": 200}),
    "unchanged": SAME,
    "inverted": SAME._replace(change=negate),
    "over-fitting": KnownRun(
        "nicegan-tiny",
        {
            "network": NICE | {"upsample": "nearest"}, "optimizer": SLOW, "image_size": 48, "crop_margin": 0,
            "steps": 50, "score_every": 10,
        },
        num_train=4,
        palettes=EXTREME,
    ),
}  # fmt: skip


def make(name: str, folder: Path) -> Path:
    """Train the run of this name below `folder`; return its run folder."""
    known = RUNS[name]
    data = folder / "scenes" / "dataset"
    config = recipe(known.recipe, data=data, **dict(ALWAYS) | dict(known.settings))
    if known.palettes:
        write_scenes(data, config.size[0], known.num_train, known.palettes)
    else:
        write_demo_data(data.parent, seed=0, side=config.size[0], num_train=known.num_train, num_test=NUM_TEST)
    run = folder / "run"
    train(config, run, Console(quiet=True))
    if known.change:
        model = load_model(run / "model.safetensors")
        known.change(model.networks)
        save_model(run / "model.safetensors", model.spec, model.networks)
    return run


def write_scenes(folder: Path, side: int, num_train: int, palettes: TrainingPalettes) -> None:
    """Paint unpaired scenes; the training folders' palettes take turns."""
    random = np.random.default_rng(0)
    sets = {
        "trainA": (num_train, palettes.a), "trainB": (num_train, palettes.b),
        "testA": (NUM_TEST, (DAY,)), "testB": (NUM_TEST, (NIGHT,)),
    }  # fmt: skip
    for name, (num_scenes, in_turn) in sets.items():
        (folder / name).mkdir(parents=True)
        for number in range(num_scenes):
            scene = paint(draw_layout(random), in_turn[number % len(in_turn)], side)
            scene.save(folder / name / f"{number:03d}.png")


def picture(run: Path, out: Path) -> None:
    """Write test scenes and what the run's model makes of them, both directions side by side."""
    config = RunFolder(run).read_config()
    networks = load_model(run / "model.safetensors").networks
    found = chosen_images(find_dataset(config.data, None, None), config.size, NUM_SHOWN)
    groups = []
    for target, title in zip(OTHER.values(), ("day to night", "night to day"), strict=True):
        inputs = found[OTHER[target]].images
        fakes = translated(networks, target, inputs, torch.device("cpu"))
        groups.append(Group(title, {"input": to_pixels(inputs), "translation": to_pixels(fakes)}))
    plot_sheet(groups).save(out)


def main(arguments: list[str] | None = None) -> int:
    """Make every run anew, its report and its picture."""
    from nicegan.report.full import report

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a new folder for scenes and runs")
    parser.add_argument("--figures", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("names", nargs="*", help=f"which runs ({', '.join(RUNS)}); all by default")
    given = parser.parse_args(arguments)
    console = Console(stderr=True)
    for name in given.names or RUNS:
        shutil.rmtree(given.out / name, ignore_errors=True)
        run = make(name, given.out / name)
        picture(run, given.figures / f"looks_{name}.png")
        console.print(f"{name}: {report(run, device='cpu', console=console)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
