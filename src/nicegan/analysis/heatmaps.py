"""What the discriminators look at, laid over the image.

* *attention*: the latent summed over its channels, as the paper draws it, by the encoder that translates.
* *looks*: what a patch head looks at, |d (sum of the head's logits) / d pixel|, summed over the colours and smoothed.
  This is the head's own first-order sensitivity, exact for this image, through all of its layers; a map made of the
  features alone would show where they are large, not what the logits depend on.
* *verdict*: what the head says there, its logits where their patches lie; 0 is drawn and 1 is real.

Attention and looks are spread over each image's own range, so they say where, not how much. The heads are the
checkpoint's, as they were trained; encoders and translations are the model's, which are averages over the last steps.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image as PILImage
from torch import Tensor

from nicegan.analysis.images import DomainImages, chosen_images, open_model
from nicegan.analysis.judges import judging_checkpoint, load_discriminators
from nicegan.data.augment import to_pixels
from nicegan.data.cache import Progress
from nicegan.data.places import Dataset
from nicegan.machine import Machine
from nicegan.model_file import Model
from nicegan.models.discriminator import PATCH_HEADS, Discriminator
from nicegan.models.domain import OTHER, TranslationPath
from nicegan.models.encoder import spread_heatmap, to_unit_range
from nicegan.shapes import Image
from nicegan.sheets import Group, draw_sheet, overlaid

Heat = Float[Tensor, "n 1 h w"]  # in [0, 1]
Views = dict[str, Image]  # column -> (n, 3, h, w) in [-1, 1]; the first column is the image itself

BATCH = 4  # images looked at together
LONGEST_STEM = 200  # bytes of a file's name; disks take 255, and suffixes follow
SMOOTHING = 0.02  # deviation of the Gaussian over the gradient, as a share of the image's smaller side
VERDICT_COLOURS = "BrBG"  # brown 0, white 1/2, teal 1: told apart by colour-blind people


class DomainHeatmaps(NamedTuple):
    """The images of one domain as its own discriminator sees them, and their translations as the other one does."""

    names: list[str]
    real: Views
    drawn: Views


class Heatmaps(NamedTuple):
    """Both domains ("A", "B"). `heads` are the patch heads that are drawn; none where only the attention can be."""

    domains: dict[str, DomainHeatmaps]
    heads: tuple[str, ...]
    checkpoint: Path | None


def draw_heatmaps(
    place: Path,
    dataset: Dataset,
    machine: Machine,
    *,
    count: int = 8,
    progress: Progress = lambda done, count: None,
) -> Heatmaps:
    """Look at at most `count` images of each domain.

    Args:
        place: a run folder, or a model file, of which only the attention can be shown.
        dataset: its test images are taken, or its training images where it has none.
        progress: told how many of how many images are done.

    Raises:
        CheckpointError: no model, or one that cannot be analysed, or a broken checkpoint.
        DataError: images that cannot be read.
    """
    model = open_model(place, machine)
    images = chosen_images(dataset, model.card.image_size, count)
    checkpoint = judging_checkpoint(place)
    judges = load_discriminators(place, checkpoint, machine) if checkpoint else {}
    heads = tuple(head for head in PATCH_HEADS if judges and head in model.card.network.classifiers)
    total, done = sum(len(side.names) for side in images.values()), 0
    domains = {}
    for domain, side in images.items():
        parts = []
        for few in side.images.split(BATCH):
            parts.append(seen(model, judges if heads else {}, domain, few.to(machine.device)))
            done += len(few)
            progress(done, total)
        domains[domain] = joined(side, parts)
    return Heatmaps(domains, heads, checkpoint)


def seen(model: Model, judges: dict[str, Discriminator], domain: str, image: Image) -> tuple[Views, Views]:
    """The views of some images of a domain, and of their translations; on the CPU."""
    here, there = model.paths[domain], model.paths[OTHER[domain]]
    with torch.no_grad():
        translation = there.generator(here.encoder(image))
    return (
        {"image": image.cpu()} | views(here, judges.get(domain), image),
        {"translation": translation.cpu()} | views(there, judges.get(OTHER[domain]), translation),
    )


def views(path: TranslationPath, judge: Discriminator | None, image: Image) -> Views:
    """The overlays of images that one domain's networks look at."""
    size = (image.shape[2], image.shape[3])
    with torch.no_grad():
        overlays = {"attention": overlaid(spread_heatmap(path.encoder(image), size), image).cpu()}
    for head, sight in ({} if judge is None else sights(judge, image)).items():
        overlays[f"{head} looks"] = overlaid(sight.looks, image).cpu()
        overlays[f"{head} verdict"] = overlaid(sight.verdict, image, VERDICT_COLOURS).cpu()
    return overlays


class Sight(NamedTuple):
    """What a patch head looks at, and what it says there."""

    looks: Heat
    verdict: Heat


def sights(judge: Discriminator, image: Image) -> dict[str, Sight]:
    """The sight of each patch head there is, at the image's size."""
    image = image.detach().clone().requires_grad_()
    heads = judge(image).heads()
    found = {}
    for head in (head for head in PATCH_HEADS if head in heads):
        logits = heads[head]
        (gradient,) = torch.autograd.grad(logits.sum(), image, retain_graph=True)
        looks = to_unit_range(smoothed(gradient.abs().sum(dim=1, keepdim=True)))
        verdict = placed(logits.detach(), (image.shape[2], image.shape[3])).clamp(0, 1)
        found[head] = Sight(looks, verdict)
    return found


def placed(logits: Float[Tensor, "n 1 h_patch w_patch"], size: tuple[int, int]) -> Float[Tensor, "n 1 h w"]:
    """A patch map at (height, width) pixels, every logit at the middle of its patch.

    A head's two layers of stride 1 each take one off the map, so its edges lie one cell inside the image's.
    """
    return F.interpolate(F.pad(logits, (1, 1, 1, 1), mode="replicate"), size=size, mode="bilinear")


def smoothed(heat: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h w"]:
    """The map under a Gaussian of `SMOOTHING`."""
    deviation = SMOOTHING * min(heat.shape[2:])
    reach = max(1, round(3 * deviation))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1).to(heat) / deviation).square())
    weights /= weights.sum()
    padded = F.pad(heat, (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))


def joined(side: DomainImages, parts: list[tuple[Views, Views]]) -> DomainHeatmaps:
    """The batches' views as one."""
    real, drawn = ({name: torch.cat([part[i][name] for part in parts]) for name in parts[0][i]} for i in (0, 1))
    return DomainHeatmaps(side.names, real, drawn)


def heatmap_sheet(heatmaps: Heatmaps, domain: str) -> PILImage.Image:
    """The sheet of one domain: the images and what is seen in them, and beside it the same of their translations."""
    seen_here, other = heatmaps.domains[domain], OTHER[domain]
    legend = "; verdict: brown drawn, teal real" if heatmaps.heads else ""
    titles = {f"{domain}, as the networks of {domain} see it{legend}": seen_here.real}
    titles[f"drawn as {other}, as those of {other} see it"] = seen_here.drawn
    return draw_sheet(
        [Group(title, {name: to_pixels(tiles) for name, tiles in columns.items()}) for title, columns in titles.items()]
    )


def single_files(heatmaps: DomainHeatmaps) -> Iterator[tuple[str, PILImage.Image]]:
    """A domain's real images one by one: NAME.png (attention), NAME_local.png (looks), NAME_local_verdict.png ..."""
    suffixes = {name: file_suffix(name) for name in heatmaps.real if name != "image"}
    for row, stem in enumerate(unique_stems(heatmaps.names, list(suffixes.values()))):
        for name, suffix in suffixes.items():
            pixels = to_pixels(heatmaps.real[name][row : row + 1])[0]
            yield f"{stem}{suffix}.png", PILImage.fromarray(pixels.numpy())


def file_suffix(column: str) -> str:
    """What stands behind an image's name: "" for attention, "_local" for "local looks", "_local_verdict"."""
    return "" if column == "attention" else f"_{column.removesuffix(' looks').replace(' ', '_')}"


def unique_stems(names: list[str], suffixes: list[str]) -> list[str]:
    """The files' names without folder and ending, numbered where two outputs would have one name on any disk."""
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
