"""Styles in pictures: the same images translated with styles between two random ones, and between those of examples."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image as PILImage
from torch import Tensor

from nicegan.analysis.images import DomainImages, chosen_images, open_model
from nicegan.config import levels_of
from nicegan.data.augment import to_pixels
from nicegan.data.cache import Progress
from nicegan.data.places import Dataset
from nicegan.device import Machine
from nicegan.errors import ConfigError
from nicegan.methods.base import HasStyles, Style, TranslationModel
from nicegan.shapes import OTHER, DomainName, Image
from nicegan.sheets import Group, plot_sheet, stacked

AT_ONCE = 4  # images that are translated together


def plot_styles(  # noqa: PLR0913
    path: Path,
    dataset: Dataset,
    machine: Machine,
    *,
    count: int = 4,
    steps: int = 6,
    seed: int = 0,
    progress: Progress = lambda done, count: None,
) -> dict[DomainName, PILImage.Image]:
    """Return a sheet of styles for each domain that images are translated to.

    Args:
        path: a run folder or a model file.
        dataset: its test images are taken, or its training images where it has none.
        count: images of each domain, at the most; a row each.
        steps: columns from one style to the other.
        seed: of the random styles.
        progress: told how many of how many sheets are done.

    Raises:
        CheckpointError: no model, or one that cannot be read.
        ConfigError: a model without styles.
        DataError: images that cannot be read.
    """
    model = open_model(path, machine)
    networks, spec = model.networks, model.spec
    if not isinstance(networks, HasStyles):
        raise ConfigError(f"{path} has no styles to show: {spec.method.title} makes one translation of an image")
    images = chosen_images(dataset, spec.image_size, count, levels_of(spec.value_range))
    both = networks.sample_styles(2, torch.Generator().manual_seed(seed)).to(machine.device)
    sheets: dict[DomainName, PILImage.Image] = {}
    for target in OTHER.values():
        sheets[target] = style_sheet(networks, images, target, both, steps, machine)
        progress(len(sheets), len(OTHER))
    return sheets


@torch.no_grad()
def style_sheet(  # noqa: PLR0913
    networks: TranslationModel,
    images: dict[DomainName, DomainImages],
    target: DomainName,
    both: Float[Tensor, "2 style"],
    steps: int,
    machine: Machine,
) -> PILImage.Image:
    """Return the sheet: above, all rows share two random styles; below, each row has the styles of two examples."""
    assert isinstance(networks, HasStyles)
    source = OTHER[target]
    inputs, examples = images[source].images, images[target].images
    rows = Group(f"images of {source}", {"source": to_pixels(inputs)})
    shared = both[:, None].expand(-1, len(inputs), -1)
    above = between(networks, inputs, target, (shared[0], shared[1]), steps, machine)
    first = examples[torch.arange(len(inputs)) % len(examples)]
    second = examples[(torch.arange(len(inputs)) + 1) % len(examples)]
    ends = tuple(networks.encode_style(image.to(machine.device), target) for image in (first, second))
    below = between(networks, inputs, target, (ends[0], ends[1]), steps, machine)
    below = {f"first of {target}": to_pixels(first), **below, f"second of {target}": to_pixels(second)}
    return stacked(
        [
            plot_sheet([rows, Group(f"translated to {target}, from one random style to another", above)]),
            plot_sheet([rows, Group(f"from the style of one image of {target} to that of another", below)]),
        ]
    )


def between(  # noqa: PLR0913
    networks: TranslationModel,
    image: Image,
    target: DomainName,
    ends: tuple[Style, Style],
    steps: int,
    machine: Machine,
) -> dict[str, Tensor]:
    """Return columns of translations by the share that the second style has: "0.00", ..., "1.00"."""
    columns: dict[str, list[Tensor]] = {}
    for some in torch.arange(len(image)).split(AT_ONCE):
        latent = networks.encode(image[some].to(machine.device), OTHER[target])
        for share in torch.linspace(0, 1, steps).tolist():
            style = torch.lerp(ends[0][some], ends[1][some], share)
            columns.setdefault(f"{share:.2f}", []).append(to_pixels(networks.decode(latent, target, style)).cpu())
    return {name: torch.cat(parts) for name, parts in columns.items()}
