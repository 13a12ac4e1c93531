"""Making a study: images copied under names that tell nothing, and everything that decides it written down."""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

from nicegan.data.folders import evenly_chosen, listing, read_image, without_image_warnings
from nicegan.errors import ConfigError, DataError, StudyError
from nicegan.files import write_atomically
from nicegan.study.definition import (
    IMAGES,
    STUDY_FILE,
    VOTES_FILE,
    ObviousTrial,
    OpenStudy,
    Plan,
    StudyDefinition,
    Subject,
    Task,
    read_study,
)
from nicegan.study.sources import Sources
from nicegan.study.store import create_store
from nicegan.study.trials import all_questions, shuffled
from nicegan.study.words import default_question

NUM_OBVIOUS = 12  # obvious trials to choose from, at most
DEFAULT_TRIALS = 30
MOST_METHODS = 9  # at once; each has a key
MOSAIC = 5  # squares a side of a damaged image


def create_study(
    sources: Sources, plan: Plan, out: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> OpenStudy:
    """Make the folder of a study: its images, its definition and its empty database of votes.

    Args:
        sources: the images.
        plan: what raters are asked.
        out: a folder that does not exist yet, or is empty.
        progress: is told how many images of how many are copied.

    Raises:
        ConfigError: `out` is in use, or a plan that these images do not allow.
        DataError: images that cannot be read, or differ in size; all of them are listed.
        StudyError: the folder cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} exists already: choose another --out")
    out = out.resolve()  # of a link, the folder that it leads to
    refuse_plan(sources, plan)
    chosen = evenly_chosen(list(sources.source), plan.images or len(sources.source))
    with _reasons(out), _partial_folder(out) as partial:
        copier = ImageCopier(partial / IMAGES, plan.size)
        definition = _define(sources, plan, chosen, copier, progress)
        content = (json.dumps(definition.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n").encode()
        create_store(partial / VOTES_FILE, hashlib.sha256(content).hexdigest())
        write_atomically(partial / STUDY_FILE, content)
    return read_study(out)


def refuse_plan(sources: Sources, plan: Plan) -> None:
    """Refuse settings that do not fit each other or the images; raises ConfigError."""
    alone = plan.kind == "real-or-fake"
    if not alone and len(sources.outputs) > MOST_METHODS:
        raise ConfigError(f"{len(sources.outputs)} methods are more than the {MOST_METHODS} that a rater can compare")
    if not alone and len(sources.outputs) < 2:
        raise ConfigError(f"--kind {plan.kind} compares methods: name two or more with --method")
    if alone and not sources.real:
        raise ConfigError("--kind real-or-fake shows real images among the outputs: name their folder with --reference")
    if alone and plan.shown != "none":
        raise ConfigError("--kind real-or-fake shows each image alone: leave out --show")
    if not alone and plan.seconds is not None:
        raise ConfigError("--seconds is for --kind real-or-fake")
    if plan.shown in ("reference", "both") and sources.reference is None:
        raise ConfigError(
            f"--show {plan.shown} needs a reference image for each source, of its name: name their folder "
            "with --reference"
        )
    if plan.shown in ("none", "source") and sources.reference is not None:
        raise ConfigError("--reference is not shown: add --show reference or --show both, or leave it out")
    if plan.question is not None and not plan.question.strip():
        raise ConfigError("--question is empty: leave it out for the usual one")


@contextmanager
def _reasons(out: Path) -> Iterator[None]:
    """Within: what the disk refuses becomes a StudyError of one line."""
    try:
        yield
    except (OSError, sqlite3.Error) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise StudyError(f"{out} cannot be written: {reason}; make room, or name another folder with --out") from None


@contextmanager
def _partial_folder(out: Path) -> Iterator[Path]:
    """Within: a folder that becomes `out` when all went well, and is removed when not."""
    partial = out.absolute().with_name(f".{out.absolute().name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / IMAGES).mkdir(parents=True)
    try:
        yield partial
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class ImageCopier:
    """Writes images as PNG files without metadata, named by the SHA-256 of their bytes."""

    def __init__(self, folder: Path, size: int | None) -> None:
        self.folder, self.size = folder, size
        self.broken: dict[str, str] = {}

    def read(self, path: Path) -> Image.Image:
        """Return an image as it is shown; a grey one in place of what cannot be read, which is noted in `broken`."""
        try:
            image = read_image(path)
        except DataError as problem:
            self.broken[str(path)] = str(problem)
            return Image.new("RGB", (1, 1))
        return image.resize((self.size, self.size), Image.Resampling.LANCZOS) if self.size else image

    def write(self, image: Image.Image) -> str:
        """Write an image; return its name."""
        content = io.BytesIO()
        Image.fromarray(np.asarray(image)).save(content, "PNG")
        name = hashlib.sha256(content.getvalue()).hexdigest()
        file = self.folder / f"{name}.png"
        if not file.exists():
            file.write_bytes(content.getvalue())
        return name


def _define(
    sources: Sources, plan: Plan, chosen: list[str], copier: ImageCopier, progress: Callable[[int, int], None]
) -> StudyDefinition:
    """Copy all images; return the study that they make."""
    subjects: list[Subject] = []
    other_sizes: dict[str, str] = {}
    real_sizes: set[tuple[int, int]] = set()
    with without_image_warnings():
        for name in chosen:
            outputs = {method: copier.read(paths[name]) for method, paths in sources.outputs.items()}
            sizes = {method: image.size for method, image in outputs.items()}
            real_sizes |= set(sizes.values())
            if len(set(sizes.values())) > 1:
                other_sizes[name] = ", ".join(f"{method} {w}x{h}" for method, (w, h) in sizes.items())
            reference = copier.write(copier.read(sources.reference[name])) if sources.reference else None
            source = copier.write(copier.read(sources.source[name]))
            written = {method: copier.write(image) for method, image in outputs.items()}
            subjects.append(Subject(name=name, source=source, reference=reference, outputs=written))
            progress(len(subjects), len(chosen))
        real = []
        if plan.kind == "real-or-fake":
            for path in evenly_chosen(sources.real, len(chosen) * len(sources.outputs)):
                image = copier.read(path)
                real_sizes.add(image.size)
                real.append(copier.write(image))
            if len(real_sizes) > 1 and not other_sizes:
                other_sizes["all images"] = ", ".join(f"{w}x{h}" for w, h in sorted(real_sizes)[:5])
        _refuse_images(copier.broken, other_sizes)
        obvious = _obvious_trials(subjects, plan, copier) if plan.obvious else ()
    return _definition(plan, subjects, list(sources.outputs), real, obvious)


def _refuse_images(broken: dict[str, str], other_sizes: dict[str, str]) -> None:
    if broken:
        raise DataError(f"{len(broken)} images cannot be read\n{listing(broken)}")
    if other_sizes:
        shown = dict(list(other_sizes.items())[:5])
        raise DataError(
            "images that are compared with each other differ in size, which would tell the method: bring all to one "
            f"size, --size 256 for instance\n{listing(shown)}"
        )


def _obvious_trials(subjects: list[Subject], plan: Plan, copier: ImageCopier) -> tuple[ObviousTrial, ...]:
    """Return trials in which an output stands among its own damaged copies."""
    methods = list(subjects[0].outputs)
    num_damaged = {"best": len(methods) - 1, "pairs": 1, "real-or-fake": 1}[plan.kind]
    found = []
    for number, index in enumerate(evenly_chosen(range(len(subjects)), NUM_OBVIOUS)):
        whole = subjects[index].outputs[methods[number % len(methods)]]
        image = Image.open(copier.folder / f"{whole}.png")
        damaged = tuple(copier.write(damage(image, f"{whole}{copy}")) for copy in range(num_damaged))
        found.append(ObviousTrial(subject=index, whole=whole, damaged=damaged))
    return tuple(found)


def damage(image: Image.Image, seed: str) -> Image.Image:
    """Return a few large squares of the image's colours, in disorder and under noise: no picture of anything."""
    random = np.random.default_rng(int(hashlib.sha256(seed.encode()).hexdigest(), 16))
    small = np.asarray(image.convert("RGB").resize((MOSAIC, MOSAIC), Image.Resampling.BOX)).reshape(-1, 3)
    squares = Image.fromarray(random.permutation(small).reshape(MOSAIC, MOSAIC, 3))
    large = np.asarray(squares.resize(image.size, Image.Resampling.NEAREST)).astype(np.float64)
    noisy = large + random.normal(0, 40, (*large.shape[:2], 1))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def _definition(
    plan: Plan,
    subjects: list[Subject],
    methods: list[str],
    real_images: list[str],
    obvious_trials: tuple[ObviousTrial, ...],
) -> StudyDefinition:
    """Return the definition; raises ConfigError where more trials are asked for than there are questions."""
    seed = secrets.randbits(62) if plan.seed is None else plan.seed
    definition = StudyDefinition(
        **{name: getattr(plan, name) for name in Task.model_fields},
        made_with=f"nicegan {version('nicegan')}",
        show=plan.shown,
        question=(plan.question or default_question(plan.kind, plan.shown, plan.language)).strip(),
        methods=tuple(methods),
        subjects=tuple(subjects),
        real_images=tuple(shuffled(real_images, seed, "real images")),
        obvious_trials=obvious_trials,
        trials=1,
        seed=seed,
    )
    num_questions = len(all_questions(definition))
    trials = plan.trials or min(num_questions, DEFAULT_TRIALS)
    if trials > num_questions:
        raise ConfigError(f"--trials {trials}: there are {num_questions} questions, and no rater answers one twice")
    if plan.repeats > trials // 2:
        raise ConfigError(f"--repeats {plan.repeats}: at most half of the {trials} trials can be repeated")
    return definition.model_copy(update={"trials": trials})
