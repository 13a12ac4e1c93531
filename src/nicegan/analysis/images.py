"""The images that an analysis looks at, and a trained model ready to look at them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from nicegan.config import FULL_LEVELS, Levels
from nicegan.data.augment import to_network
from nicegan.data.cache import open_images
from nicegan.data.dataset import first_samples
from nicegan.data.folders import evenly_chosen, listing
from nicegan.data.places import Dataset, Files, ImageSource
from nicegan.device import Machine
from nicegan.errors import DataError
from nicegan.inference.choice import read_model
from nicegan.model_file import Model
from nicegan.shapes import DomainName, Image


class DomainImages(NamedTuple):
    """Some images of one domain, RGB in [-1, 1] at the model's size, and the files or members they come from."""

    images: Image
    names: list[str]


def chosen_images(
    dataset: Dataset, size: tuple[int, int], count: int, levels: Levels = FULL_LEVELS
) -> dict[DomainName, DomainImages]:
    """At most `count` test images of each domain ("A", "B"), evenly chosen; training images where there are none.

    Args:
        size: height and width that the images are scaled to, in pixels.
        levels: the values of 16-bit images in files that are black and white.

    Raises:
        DataError: images that cannot be read; all are listed.
    """
    a, b = dataset.test_a or dataset.train_a, dataset.test_b or dataset.train_b
    return {"A": _chosen(a, size, count, levels), "B": _chosen(b, size, count, levels)}


def training_images(
    dataset: Dataset, size: tuple[int, int], count: int, levels: Levels = FULL_LEVELS
) -> dict[DomainName, DomainImages]:
    """As `chosen_images`, of the training images."""
    return chosen_images(dataset._replace(test_a=None, test_b=None), size, count, levels)


def _chosen(source: ImageSource, size: tuple[int, int], count: int, levels: Levels) -> DomainImages:
    """Return images of one domain: files at equal distances, or the first ones of tar shards."""
    if isinstance(source, Files):
        store = open_images(evenly_chosen(source.paths, count), size, levels=levels)
        if store.broken:
            raise DataError(
                f"{len(store.broken)} images cannot be read: repair or remove them\n{listing(store.broken)}"
            )
        pixels, names = store.pixels, store.names
    else:
        decoded = first_samples(source, count, size, skip_broken=False, progress=lambda done, count: None)
        pixels, names = np.stack([one.pixels for one in decoded]), [str(one.sample) for one in decoded]
    return DomainImages(to_network(torch.from_numpy(np.array(pixels))), names)


def open_model(path: Path, machine: Machine) -> Model:
    """Return the model of a run folder, or of a model file, on the machine's device and frozen.

    Raises:
        CheckpointError: there is no model, or it cannot be read.
    """
    model = read_model(path)
    model.networks.to(machine.device).eval().requires_grad_(False)  # noqa: FBT003
    return model


def model_name(path: Path) -> str:
    """Return what to call a model in a picture: the end of its path."""
    return "/".join(path.parts[-2:])
