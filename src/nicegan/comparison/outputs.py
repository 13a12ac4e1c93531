"""What a finished run translates and scores: outputs in folders, one for each recipe and seed, and their scores."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from nicegan.config import Levels, levels_of
from nicegan.data.augment import to_network
from nicegan.data.cache import open_images
from nicegan.evaluation.evaluate import UNTRANSLATED, score_sets
from nicegan.evaluation.held_out import read_test_images
from nicegan.evaluation.image_set import ImageSet
from nicegan.feature_network import FeatureNetwork
from nicegan.files import write_atomically
from nicegan.inference.files import Scaling, translate_planned
from nicegan.inference.styles import styles_for_scores
from nicegan.inference.translator import load
from nicegan.metrics.pattern import SMALLEST_SIDE, pattern_score
from nicegan.metrics.wasserstein import sliced_wasserstein
from nicegan.model_file import MODEL_FILE, read_spec
from nicegan.shapes import OTHER, DomainName, Image


class Direction(NamedTuple):
    """From images of a domain to fakes of the other."""

    source: DomainName
    target: DomainName

    def __str__(self) -> str:
        return f"{self.source} to {self.target}"

    @property
    def folder(self) -> str:
        return f"{self.source}2{self.target}"


DIRECTIONS = (Direction("A", "B"), Direction("B", "A"))
ScoreValue = dict[str, float | None]  # value, and half the width of its interval over images ("reach")
Scores = dict[str, dict[str, ScoreValue]]  # direction -> score -> value


class Outputs:
    """Translates the test images with finished runs, and scores the translations, each once.

    Args:
        data: the dataset folder.
        out: the comparison's folder: outputs/DIRECTION/RECIPE/seed-0/..., and the scores beside them.
        network: whose features are compared; None leaves the sliced Wasserstein distance.
        size: height and width that every set of images is scored at.
        device: auto, cpu, cuda ...
    """

    def __init__(
        self, data: Path, out: Path, network: FeatureNetwork | None, size: tuple[int, int], device: str
    ) -> None:
        self.data, self.out, self.network, self.size, self.device = data, out, network, size, device

    def scores(self, run: Path, name: str, seed: int) -> Scores:
        """Return the scores of a finished run, made if they are not there yet."""
        note = self.out / "outputs" / f"{name}-seed-{seed}.json"
        if note.is_file():
            return json.loads(note.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory(prefix="nicegan-") as unpacked:
            tests = read_test_images(self.data, Path(unpacked) / "tests")
            levels = levels_of(read_spec(run / MODEL_FILE).value_range)
            shrunk = {domain: self._at_one_size(tests[domain], levels, Path(unpacked) / domain) for domain in OTHER}
            found = {str(way): self._direction(way, run, name, seed, tests, shrunk) for way in DIRECTIONS}
        write_atomically(note, (json.dumps(found, indent=1) + "\n").encode())
        return found

    def _direction(  # noqa: PLR0913
        self,
        way: Direction,
        run: Path,
        name: str,
        seed: int,
        tests: dict[str, ImageSet],
        shrunk: dict[str, ImageSet],
    ) -> dict[str, ScoreValue]:
        inputs, folder = tests[way.source], fakes_folder(self.out, way, name, seed)
        translator = load(run, self.device, "float32")
        names = output_names(inputs.paths)
        plan = {path: folder / f"{stem}.png" for path, stem in zip(inputs.paths, names, strict=True)}
        translate_planned(
            translator, plan, to=way.target, scaling=Scaling(self.size), styles=styles_for_scores(translator)
        )
        fakes = ImageSet(name, str(folder), list(plan.values()), inputs.keys)
        source = shrunk[way.source]._replace(name=UNTRANSLATED)
        real = shrunk[way.target]
        of_fakes, of_none = (self._without_network(images, real) for images in (fakes, source))
        if self.network:
            none, made = score_sets(real, [fakes], source, self.network).candidates
            for scores, candidate in ((of_none, none), (of_fakes, made)):
                scores |= {which: _value(one.value, one.reach) for which, one in candidate.scores.items()}
        return of_fakes | {f"{UNTRANSLATED}/{which}": value for which, value in of_none.items()}

    def _at_one_size(self, images: ImageSet, levels: Levels, folder: Path) -> ImageSet:
        """Return the images as PNG files of the size that all sets are scored at."""
        plan = {path: folder / f"{key}.png" for path, key in zip(images.paths, images.keys, strict=True)}
        folder.mkdir(parents=True, exist_ok=True)
        from PIL import Image as PILImage

        for pixels, target in zip(
            open_images(images.paths, self.size, levels=levels).pixels, plan.values(), strict=True
        ):
            PILImage.fromarray(pixels).save(target)
        return images._replace(paths=list(plan.values()))

    def _without_network(self, one: ImageSet, real: ImageSet) -> dict[str, ScoreValue]:
        fake, real_images = self._tensor(one), self._tensor(real)
        scores = {"sliced_wasserstein": _value(sliced_wasserstein(fake, real_images))}
        if min(self.size) >= SMALLEST_SIDE:
            scores["pattern"] = _value(pattern_score(fake, real_images))
        return scores

    def _tensor(self, images: ImageSet) -> Image:
        return to_network(torch.from_numpy(open_images(images.paths, self.size).pixels.copy()))


def run_folder(out: Path, name: str, seed: int) -> Path:
    """Return the run folder of a recipe with a seed in a comparison's folder."""
    return out / "runs" / name / f"seed-{seed}"


def fakes_folder(out: Path, direction: Direction, name: str, seed: int) -> Path:
    """Return the folder of a run's fakes in a comparison's folder."""
    return out / "outputs" / direction.folder / name / f"seed-{seed}"


def output_names(paths: Sequence[Path]) -> list[str]:
    """Return the names of the outputs of test images, without suffix: the images' own, or numbers where those clash."""
    stems = [path.stem for path in paths]
    if len({stem.casefold() for stem in stems}) == len(stems):
        return stems
    return [f"{number:06d}" for number in range(len(stems))]


def _value(value: float, reach: float | None = None) -> ScoreValue:
    return {"value": value, "reach": reach}
