"""The best and the last checkpoint of a run as models, and whether their difference is significant."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from nicegan.analysis.images import chosen_images
from nicegan.checkpoint import load_ema, pointed_at
from nicegan.config import levels_of
from nicegan.data.places import find_dataset
from nicegan.data.training_data import NUM_SCORED
from nicegan.device import Machine
from nicegan.evaluation.evaluate import UNTRANSLATED
from nicegan.evaluation.measure import MIN_FOR_INTERVAL
from nicegan.inference.styles import has_styles
from nicegan.metrics.bootstrap import halves, interval
from nicegan.metrics.wasserstein import sliced_wasserstein
from nicegan.model_file import load_model, read_spec, save_model
from nicegan.report.html import paragraph, table
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.shapes import OTHER, Image
from nicegan.training.samples import STYLES_OF_SCORES, translated

CHOSEN = (
    "The best checkpoint was chosen by its score on test images, so on these it looks better than on others; a last "
    "checkpoint whose difference from it is not significant may be as good."
)
NUM_HALVES = 20  # an interval's width is then known to a sixth


@contextmanager
def standing_checkpoints(folder: RunFolder) -> Iterator[dict[str, Path]]:
    """Model files by name, for as long as the context lasts: "best", and "last" if that is another one.

    A run that has no score yet has only the last one.
    """
    models = {"best" if pointed_at(folder.best) else "last": folder.model}
    spec, latest = read_spec(folder.model), pointed_at(folder.latest)
    if latest is None or not latest.name.isdigit() or int(latest.name) == spec.step:
        yield models
        return
    with tempfile.TemporaryDirectory(prefix="nicegan-") as folder_of_last:
        last = Path(folder_of_last) / "last" / "model.safetensors"
        last.parent.mkdir()
        networks = load_model(folder.model).networks  # the model says how they are built
        load_ema(latest, networks)
        save_model(last, spec.model_copy(update={"step": int(latest.name)}), networks)
        yield models | {"last": last}


class Distance(NamedTuple):
    """A sliced Wasserstein distance, and the same of random halves of the images; none where there are too few."""

    value: float
    of_halves: Tensor | None

    def text(self) -> str:
        """Value and half the width of its 95 % interval."""
        if self.of_halves is None:
            return f"{self.value:.1f}"
        return f"{self.value:.1f} ± {interval(self.value, self.of_halves).reach:.1f}"


def compared(config: RunConfig, models: dict[str, Path], machine: Machine) -> str:
    """Return a table of sliced Wasserstein distances with intervals, as HTML; and what they tell."""
    dataset = find_dataset(config.data, config.domain_a, config.domain_b)
    found = chosen_images(dataset, config.size, NUM_SCORED, levels_of(config.value_range))
    real = {domain: some.images for domain, some in found.items()}
    rows = {UNTRANSLATED: [_distance(real[source], real[target]) for source, target in OTHER.items()]}
    for name, path in models.items():
        model = load_model(path)
        networks = model.networks.to(machine.device)
        rows[f"{name}, step {model.spec.step:,}"] = [
            _distance(translated(networks, target, real[source], machine.device), real[target])
            for source, target in OTHER.items()
        ]
    cells = [[name, *(distance.text() for distance in distances)] for name, distances in rows.items()]
    note_on_last = "" if len(rows) < 3 else " " + _significance(*list(rows.values())[-2:])
    counts = " and ".join(f"{len(images)} images of {domain}" for domain, images in real.items())
    intervals = "95 % intervals for other images, as many of them; they say nothing of other seeds"
    if min(map(len, real.values())) < MIN_FOR_INTERVAL:
        intervals = f"too few for intervals, which take {MIN_FOR_INTERVAL} of each"
    elif note_on_last:
        note_on_last += f" {CHOSEN}"
    note_on_styles = f" {STYLES_OF_SCORES}" if has_styles(config.method, config.size) else ""
    note = f"Sliced Wasserstein distances, less is better, on {counts}: {intervals}.{note_on_last}{note_on_styles}"
    return table(("", *map(" to ".join, OTHER.items())), cells) + paragraph(note)


def _distance(fake: Image, real: Image) -> Distance:
    """Return all rows of the table are halved alike, so that what they have in common drops out of differences."""
    value = sliced_wasserstein(fake, real)
    if min(len(fake), len(real)) < MIN_FOR_INTERVAL:
        return Distance(value, None)
    parts = zip(halves(len(fake), NUM_HALVES, 1), halves(len(real), NUM_HALVES, 0), strict=True)
    values = [sliced_wasserstein(fake[i], real[j]) for i, j in parts]
    return Distance(value, torch.tensor(values, dtype=torch.float64))


def _significance(best: Sequence[Distance], last: Sequence[Distance]) -> str:
    """Return whether the last checkpoint differs from the best one by more than chance, in each direction."""
    differences = []
    for direction, one, other in zip(map(" to ".join, OTHER.items()), best, last, strict=True):
        difference = other.value - one.value
        if one.of_halves is None or other.of_halves is None:
            differences.append(f"{direction} {difference:+.1f} (too few images to tell)")
            continue
        reach = interval(difference, other.of_halves - one.of_halves).reach
        said = "not significant" if abs(difference) <= reach else "worse" if difference > 0 else "better"
        differences.append(f"{direction} {difference:+.1f} ± {reach:.1f} ({said})")
    return f"The last minus the best: {', '.join(differences)}."
