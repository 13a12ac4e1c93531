"""The best and the last checkpoint of a run as models, and whether their difference is significant."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nicegan.checkpoint import load_ema, pointed_at
from nicegan.evaluation.evaluate import UNTRANSLATED
from nicegan.evaluation.measure import MIN_FOR_INTERVAL
from nicegan.inference.styles import has_styles
from nicegan.metrics.bootstrap import interval
from nicegan.model_file import load_model, read_spec, save_model
from nicegan.report.distances import Distance
from nicegan.report.html import paragraph, table
from nicegan.report.translations import Translations
from nicegan.run_folder import RunFolder
from nicegan.shapes import OTHER
from nicegan.training.samples import STYLES_OF_SCORES

CHOSEN = (
    "The best checkpoint was chosen by its score on test images, so on these it looks better than on others; a last "
    "checkpoint whose difference from it is not significant may be as good."
)


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


def compared(translations: Translations) -> str:
    """Return a table of sliced Wasserstein distances with intervals, as HTML; and what they tell."""
    config, real = translations.config, translations.of_test.real
    steps = {name: read_spec(path).step for name, path in translations.models.items()}
    rows = {UNTRANSLATED: translations.untranslated}
    rows |= {f"{name}, step {step:,}": translations.distances[name] for name, step in steps.items()}
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
