"""Where the encoders and the discriminators look, laid over the image.

* *attention*: where the encoder that translates looks, for methods that can say it.
* *looks*: what a head whose logits are maps looks at, |d (sum of its logits) / d pixel|, summed over the colours and
  smoothed. This is the head's own first-order sensitivity, exact for this image, through all of its layers; a map made
  of the features alone would show where they are large, not what the logits depend on.
* *logits*: what the head says there, where its patches lie; 0 is fake and 1 is real.

Attention and looks are spread over each image's own range, so they say where, not how much. The heads are the
checkpoint's, as they were trained; encoders and translations are the model's, which are averages over the last steps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image as PILImage
from torch import Tensor

from nicegan.analysis.images import DomainImages, chosen_images, open_model
from nicegan.checkpoint import best_or_latest, load_weights
from nicegan.config import levels_of
from nicegan.data.augment import to_pixels
from nicegan.data.cache import Progress
from nicegan.data.places import Dataset
from nicegan.device import Machine
from nicegan.errors import CheckpointError
from nicegan.methods.base import HasHeatmap
from nicegan.model_file import Model
from nicegan.nn.heat import to_unit_range
from nicegan.run_folder import RunFolder
from nicegan.shapes import OTHER, DomainName, Heat, Image, Logits
from nicegan.sheets import Group, overlaid, plot_sheet

Discriminator = Callable[[Image], Logits]
Views = dict[str, Image]  # column -> (n, 3, h, w) in [-1, 1]; the first column is the image itself

LOOKS = " looks"  # behind a head's name: the name of a column
BATCH = 4  # images looked at together
LONGEST_STEM = 200  # bytes of a file's name; disks take 255, and suffixes follow
SMOOTHING = 0.02  # deviation of the Gaussian over the gradient, as a share of the image's smaller side
LOGIT_COLOURS = "BrBG"  # brown 0, white 1/2, teal 1: for colour-blind people too


class DomainHeatmaps(NamedTuple):
    """The images of one domain as its own discriminator sees them, and their translations as the other one does."""

    names: list[str]
    real: Views
    fake: Views


class Heatmaps(NamedTuple):
    """Both domains ("A", "B"). `heads` are those that are drawn; none where only the attention can be."""

    domains: dict[DomainName, DomainHeatmaps]
    heads: tuple[str, ...]
    checkpoint: Path | None


def plot_heatmaps(
    path: Path,
    dataset: Dataset,
    machine: Machine,
    *,
    count: int = 8,
    progress: Progress = lambda done, count: None,
) -> Heatmaps:
    """Look at at most `count` images of each domain.

    Args:
        path: a run folder, or a model file, of which only the attention can be shown.
        dataset: its test images are taken, or its training images where it has none.
        progress: told how many of how many images are done.

    Raises:
        CheckpointError: no model, or one that cannot be analysed, or a broken checkpoint.
        DataError: images that cannot be read.
    """
    model = open_model(path, machine)
    images = chosen_images(dataset, model.spec.image_size, count, levels_of(model.spec.value_range))
    checkpoint = best_or_latest(path)
    discriminators = load_discriminators(path, checkpoint, machine) if checkpoint else {}
    if not discriminators and not isinstance(model.networks, HasHeatmap):
        raise CheckpointError(
            f"{path} shows nothing: {model.spec.method.title} has no attention, and a model file no discriminators: "
            "name the run folder"
        )
    total, done = sum(len(side.names) for side in images.values()), 0
    domains = {}
    for domain, side in images.items():
        parts = []
        for few in side.images.split(BATCH):
            parts.append(seen(model, discriminators, domain, few.to(machine.device)))
            done += len(few)
            progress(done, total)
        domains[domain] = joined(side, parts)
    heads = tuple(name.removesuffix(LOOKS) for name in domains["A"].real if name.endswith(LOOKS))
    return Heatmaps(domains, heads, checkpoint)


def load_discriminators(root: Path, checkpoint: Path, machine: Machine) -> dict[DomainName, Discriminator]:
    """Return the discriminators of a run as they were trained (not averaged), on the machine's device and frozen.

    Raises:
        ConfigError: the run's config.json cannot be read.
        CheckpointError: the checkpoint cannot be read, or holds other networks than config.json says.
    """
    config = RunFolder(root).read_config()
    method = config.method.build(config.size)
    load_weights(checkpoint, method)
    method.to(machine.device).eval().requires_grad_(False)  # noqa: FBT003
    return method.discriminators()


def seen(
    model: Model, discriminators: dict[DomainName, Discriminator], domain: DomainName, image: Image
) -> tuple[Views, Views]:
    """Return the views of some images of a domain, and of their translations; on the CPU."""
    other = OTHER[domain]
    with torch.no_grad():
        translation = model.networks.translate(image, other)
    return (
        {"image": image.cpu()} | views(model, domain, discriminators.get(domain), image),
        {"translation": translation.cpu()} | views(model, other, discriminators.get(other), translation),
    )


def views(model: Model, domain: DomainName, discriminator: Discriminator | None, image: Image) -> Views:
    """Return the overlays of images that one domain's networks look at."""
    overlays: Views = {}
    if isinstance(model.networks, HasHeatmap):
        with torch.no_grad():
            overlays["attention"] = overlaid(model.networks.heatmap(image, domain), image).cpu()
    for head, sight in ({} if discriminator is None else sights(discriminator, image)).items():
        overlays[f"{head}{LOOKS}"] = overlaid(sight.looks, image).cpu()
        overlays[f"{head} logits"] = overlaid(sight.logits, image, LOGIT_COLOURS).cpu()
    return overlays


class Sight(NamedTuple):
    """What a head looks at, and what it says there."""

    looks: Heat
    logits: Heat


def sights(discriminator: Discriminator, image: Image) -> dict[str, Sight]:
    """Return the sight of each head whose logits are maps, at the image's size."""
    image = image.detach().clone().requires_grad_()
    found = {}
    for head, logits in discriminator(image).items():
        if logits.ndim != 4:
            continue
        (gradient,) = torch.autograd.grad(logits.sum(), image, retain_graph=True)
        looks = to_unit_range(smoothed(gradient.abs().sum(dim=1, keepdim=True)))
        said = placed(logits.detach(), (image.shape[2], image.shape[3])).clamp(0, 1)
        found[head] = Sight(looks, said)
    return found


def placed(logits: Float[Tensor, "n 1 h_patch w_patch"], size: tuple[int, int]) -> Float[Tensor, "n 1 h w"]:
    """Return a patch map at (height, width) pixels, every logit at the middle of its patch.

    A head's two layers of stride 1 each take one off the map, so its edges lie one cell inside the image's.
    """
    return F.interpolate(F.pad(logits, (1, 1, 1, 1), mode="replicate"), size=size, mode="bilinear")


def smoothed(heat: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h w"]:
    """Return the map under a Gaussian of `SMOOTHING`."""
    deviation = SMOOTHING * min(heat.shape[2:])
    reach = max(1, round(3 * deviation))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1).to(heat) / deviation).square())
    weights /= weights.sum()
    padded = F.pad(heat, (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))


def joined(side: DomainImages, parts: list[tuple[Views, Views]]) -> DomainHeatmaps:
    """Return the batches' views as one."""
    real, fake = ({name: torch.cat([part[i][name] for part in parts]) for name in parts[0][i]} for i in (0, 1))
    return DomainHeatmaps(side.names, real, fake)


def heatmap_sheet(heatmaps: Heatmaps, domain: DomainName) -> PILImage.Image:
    """The sheet of one domain: the images and what is seen in them, and beside it the same of their translations."""
    seen_here, other = heatmaps.domains[domain], OTHER[domain]
    legend = "; logits: brown fake, teal real" if heatmaps.heads else ""
    titles = {f"{domain}, as the networks of {domain} see it{legend}": seen_here.real}
    titles[f"translated to {other}, as those of {other} see it"] = seen_here.fake
    return plot_sheet(
        [Group(title, {name: to_pixels(tiles) for name, tiles in columns.items()}) for title, columns in titles.items()]
    )


def single_files(heatmaps: DomainHeatmaps) -> Iterator[tuple[str, PILImage.Image]]:
    """A domain's real images one by one: NAME.png (attention), NAME_local.png (looks), NAME_local_logits.png ..."""
    suffixes = {name: file_suffix(name) for name in heatmaps.real if name != "image"}
    for row, stem in enumerate(unique_stems(heatmaps.names, list(suffixes.values()))):
        for name, suffix in suffixes.items():
            pixels = to_pixels(heatmaps.real[name][row : row + 1])[0]
            yield f"{stem}{suffix}.png", PILImage.fromarray(pixels.numpy())


def file_suffix(column: str) -> str:
    """Return what stands behind an image's name: "" for attention, "_local" for "local looks", "_local_logits"."""
    return "" if column == "attention" else f"_{column.removesuffix(' looks').replace(' ', '_')}"


def unique_stems(names: list[str], suffixes: list[str]) -> list[str]:
    """Return the files' names without folder and ending, numbered where two outputs would have one name on any disk."""
    taken: set[str] = set()
    stems = []
    for name in names:
        stem = whole = writable(Path(name).stem)
        number = 1
        while taken & (outputs := {f"{stem}{suffix}".casefold() for suffix in suffixes}):
            number += 1
            stem = f"{whole}_{number}"
        taken |= outputs
        stems.append(stem)
    return stems


def writable(stem: str) -> str:
    """The name of a shard's member as one that any disk takes: not too long, without the character no file may have."""
    return os.fsdecode(os.fsencode(stem.replace("\0", "_"))[:LONGEST_STEM])
