"""What decides a study, in one file that is written before the first vote and never changed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import tyro
from pydantic import Field, NonNegativeInt, PositiveInt

from nicegan.config import Frozen, Side, first_mistake
from nicegan.errors import StudyError

FORMAT_VERSION = 1
STUDY_FILE, VOTES_FILE, IMAGES = "study.json", "votes.sqlite", "images"
REAL = "real"  # what a real image is called where outputs have the name of their method

Kind = Literal["best", "pairs", "real-or-fake"]
Show = Literal["none", "source", "reference", "both"]
Language = Literal["en", "zh"]
FileName = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # SHA-256 of the PNG file's bytes
Fraction = Annotated[float, Field(ge=0, le=1)]


class Rule(Frozen):
    """When a rater is left out, fixed before the first vote."""

    obvious_right: Fraction = 0.75
    """Left out if fewer of the trials with an obvious answer are right."""
    repeats_same: Fraction = 0
    """Left out if fewer of the repeated trials get the same answer again; 0 leaves nobody out."""
    median_seconds: Annotated[float, Field(ge=0, le=3600)] = 0.5
    """Left out if half of the answers took less time."""
    position_p: Fraction = 0.0001
    """Left out if somebody without a habit would choose one position so often with less than this probability."""
    late_seconds: Annotated[float, Field(ge=0, le=3600)] = 10
    """Of a study with --seconds: an answer is late if it comes so long after its image should have been hidden."""
    late_share: Fraction = 1
    """Left out if more of the answers are late; 1 leaves nobody out."""


class Task(Frozen):
    """What every rater of a study does."""

    kind: Kind = "best"
    """best: choose one of all methods' outputs; pairs: one of two, or cannot tell; real-or-fake: one image alone."""
    language: Language = "en"
    """Language of the raters' pages: English or Chinese."""
    votes_per_image: Annotated[int, Field(ge=1, le=10_000)] = 10
    """How many raters answer each question: an image, and in pairs each pair of an image."""
    repeats: Annotated[int, Field(ge=0, le=1000)] = 2
    """Trials that a rater gets twice: how well raters agree with themselves."""
    obvious: Annotated[int, Field(ge=0, le=1000)] = 4
    """Trials with an obvious answer, one output among damaged ones: who looks, and who does not."""
    practice: Annotated[int, Field(ge=0, le=100)] = 1
    """Trials before the first one that counts."""
    seconds: Annotated[float, Field(gt=0, le=600)] | None = None
    """How long each image is shown; for real-or-fake."""
    rule: Rule = Rule()
    """When a rater is left out."""


class Plan(Task):
    """What is asked for when a study is made; what is left out is chosen then."""

    show: Annotated[Show | None, tyro.conf.arg(metavar="source|reference|both|none")] = None
    """What is shown beside the outputs: the source (the default), the reference, both or none."""
    question: Annotated[str, Field(max_length=500)] | None = None
    """The question's exact words; without it the usual ones of this kind."""
    images: PositiveInt | None = None
    """How many source images, evenly chosen; all without it."""
    size: Side | None = None
    """Bring every image to so many pixels a side. Needed where the methods' outputs differ in size."""
    trials: PositiveInt | None = None
    """Trials of a rater that count; at most 30 without it."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """Seed of every order; a secret one without it."""

    @property
    def shown(self) -> Show:
        """Return what is shown beside the outputs."""
        return self.show or ("none" if self.kind == "real-or-fake" else "source")


class Subject(Frozen):
    """A source image with all that is shown of it."""

    name: str
    source: FileName
    reference: FileName | None = None
    outputs: dict[str, FileName]
    """The output of each method."""


class ObviousTrial(Frozen):
    """A trial that everybody who looks answers alike: an output among damaged ones, or one damaged image alone."""

    subject: NonNegativeInt
    """Index of the source image."""
    whole: FileName
    damaged: tuple[FileName, ...]


class StudyDefinition(Task):
    """All that decides a study: with it and a rater's number, everything that a rater sees can be told again."""

    format_version: Literal[1] = FORMAT_VERSION
    made_with: str
    show: Show
    question: Annotated[str, Field(min_length=1, max_length=500)]
    methods: Annotated[tuple[str, ...], Field(min_length=1)]
    subjects: Annotated[tuple[Subject, ...], Field(min_length=1)]
    real_images: tuple[FileName, ...] = ()
    """Real images of a study of the kind real-or-fake."""
    obvious_trials: tuple[ObviousTrial, ...] = ()
    trials: PositiveInt
    """Trials of a rater that count."""
    seed: NonNegativeInt

    def files(self) -> set[str]:
        """Return the names of all images."""
        found = set(self.real_images)
        for subject in self.subjects:
            found |= {subject.source, *subject.outputs.values()} | ({subject.reference} if subject.reference else set())
        for trial in self.obvious_trials:
            found |= {trial.whole, *trial.damaged}
        return found

    @property
    def labels(self) -> tuple[str, ...]:
        """Return what is rated: the methods, and real images where those are shown among them."""
        return (*self.methods, REAL) if self.real_images else self.methods


class OpenStudy(NamedTuple):
    """A study's folder, its definition, and the SHA-256 of the file that holds it."""

    folder: Path
    definition: StudyDefinition
    digest: str

    @property
    def votes(self) -> Path:
        """Return where the database of votes is."""
        return self.folder / VOTES_FILE

    def image(self, name: str) -> Path:
        """Return where an image is."""
        return self.folder / IMAGES / f"{name}.png"


def read_study(folder: Path) -> OpenStudy:
    """Return the study in a folder.

    Raises:
        StudyError: there is none, it is damaged, or it is of another version.
    """
    file = folder / STUDY_FILE
    if not file.is_file():
        raise StudyError(f"{folder} is not a study: it has no {STUDY_FILE}; nicegan study create makes one")
    try:
        content = file.read_bytes()
        found = json.loads(content)
        if isinstance(found, dict):
            refuse_other_version(file, found)
        definition = StudyDefinition.model_validate(found)
        _refuse_loose_ends(definition)
    except (ValueError, RecursionError, OSError) as problem:
        raise StudyError(f"{file} cannot be read: {first_mistake(problem)}; put a copy of it back") from None
    return OpenStudy(folder, definition, hashlib.sha256(content).hexdigest())


def refuse_other_version(file: Path, content: dict[str, Any]) -> None:
    """Refuse a file that another version of the format wrote; raises StudyError."""
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        way_out = "update nicegan" if isinstance(version, int) and version > FORMAT_VERSION else "put a copy of it back"
        raise StudyError(f"{file} is of format {version!r}, and this nicegan reads format {FORMAT_VERSION}: {way_out}")


def _refuse_loose_ends(definition: StudyDefinition) -> None:
    """Raise ValueError if a subject lacks an output, or a trial points to a subject that is not there."""
    for subject in definition.subjects:
        if set(subject.outputs) != set(definition.methods):
            raise ValueError(f"subject {subject.name!r} has other outputs than the methods'")
    if any(trial.subject >= len(definition.subjects) for trial in definition.obvious_trials):
        raise ValueError("an obvious trial belongs to no subject")
    if definition.obvious and not definition.obvious_trials:
        raise ValueError("there are no obvious trials")


def changed_images(study: OpenStudy) -> list[str]:
    """Return the names of images that are missing or have other bytes than when the study was made."""
    wrong = []
    for name in sorted(study.definition.files()):
        try:
            content = study.image(name).read_bytes()
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != name:
            wrong.append(name)
    return wrong
