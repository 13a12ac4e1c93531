"""Studies of painted images, and raters with known preferences who answer them without a browser."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.special import softmax

from nicegan.study.create import create_study
from nicegan.study.definition import ObviousTrial, OpenStudy, Plan, Rule, StudyDefinition, Subject
from nicegan.study.raters import reasons_to_leave_out
from nicegan.study.sources import pair_folders
from nicegan.study.store import Rater, Vote
from nicegan.study.tally import RaterRecord
from nicegan.study.trials import CANNOT_TELL, SAYS_FAKE, SAYS_REAL, Trial, num_assignments, trials_of

METHODS = ("alpha", "beta", "gamma", "delta")


def paint(folder: Path, count: int, shade: int, size: int = 24) -> Path:
    """Images of blobs, another colour for each shade."""
    folder.mkdir(parents=True)
    for number in range(count):
        random = np.random.default_rng(number)
        small = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        pixels = np.asarray(small.resize((size, size), Image.Resampling.BICUBIC)).astype(int)
        Image.fromarray(((pixels + 40 * shade) % 256).astype(np.uint8)).save(folder / f"image_{number:03d}.png")
    return folder


def changed(plan: Plan, **changes: object) -> Plan:
    """The plan with other settings."""
    return Plan.model_validate(plan.model_dump() | changes)


def make_study(root: Path, plan: Plan | None = None, count: int = 6, methods: Sequence[str] = METHODS) -> OpenStudy:
    """A study's folder, of painted images."""
    plan = plan or Plan(votes_per_image=2, trials=4, repeats=1, obvious=2, practice=1, seed=7)
    source = paint(root / "source", count, 0)
    folders = {name: paint(root / name, count, number + 1) for number, name in enumerate(methods)}
    alone = plan.kind == "real-or-fake"
    reference = paint(root / "real", count, 5) if alone or plan.shown in ("reference", "both") else None
    return create_study(pair_folders(source, folders, reference, pair_reference=not alone), plan, root / "study")


def define_study(num_images: int, **changes: object) -> StudyDefinition:
    """A study without files, for statistics."""
    name = "{:064x}".format
    methods = changes.get("methods", METHODS)
    assert isinstance(methods, tuple)
    subjects = tuple(
        Subject(name=f"image {i}", source=name(i), outputs={m: name(1000 * k + i) for k, m in enumerate(methods, 1)})
        for i in range(num_images)
    )
    damaged = tuple(
        map(name, range(90_000, 90_000 + (1 if changes.get("kind", "best") != "best" else len(methods) - 1)))
    )
    obvious = tuple(ObviousTrial(subject=i, whole=name(1000 + i), damaged=damaged) for i in range(min(8, num_images)))
    settings = {
        "made_with": "a test", "kind": "best", "show": "source", "language": "en", "question": "Which?",
        "methods": methods, "subjects": subjects, "obvious_trials": obvious, "votes_per_image": 20,
        "trials": num_images, "repeats": 2, "obvious": 4, "practice": 1, "seed": 0, "rule": Rule(),
    }  # fmt: skip
    return StudyDefinition.model_validate(settings | changes)


class Crowd(NamedTuple):
    """Raters with known preferences.

    Args:
        utilities: of each method, in logits.
        rater_spread: standard deviation of a rater's own part of each utility.
        image_spread: likewise of an image's.
        num_careless: raters who answer at random, within half a second or not.
        num_left: raters who always choose the first position.
    """

    utilities: Sequence[float]
    rater_spread: float = 0.5
    image_spread: float = 0.5
    num_careless: int = 0
    num_left: int = 0

    def shares(self, count: int = 200_000) -> np.ndarray:
        """The shares that endless raters and images would give, of choices of one among all."""
        random = np.random.default_rng(1)
        spread = np.hypot(self.rater_spread, self.image_spread)
        utilities = np.array(self.utilities) + spread * random.standard_normal((count, len(self.utilities)))
        return softmax(utilities, axis=1).mean(0)

    def records(self, definition: StudyDefinition, seed: int) -> list[RaterRecord]:
        """Every assignment of a study answered; the careless and the left ones are first."""
        random = np.random.default_rng(seed)
        size = len(definition.methods)
        of_images = np.array(self.utilities) + self.image_spread * random.standard_normal(
            (len(definition.subjects), size)
        )
        records = []
        for assignment in range(num_assignments(definition)):
            rater = Rater(assignment + 1, f"{assignment:032x}", assignment, 0)
            trials = trials_of(definition, assignment, rater.number)
            own = of_images + self.rater_spread * random.standard_normal((1, size))
            votes = []
            for number, trial in enumerate(trials):
                answer = self._answer(definition, trial, own, assignment, random)
                shown = "\t".join(picture.label for picture in trial.pictures)
                milliseconds = int(random.uniform(1500, 4000))
                chosen, subject = trial.chosen(answer), trial.question.subject
                identity = f"{assignment}-{number}"
                votes.append(Vote(identity, rater.number, number, subject, answer, chosen, shown, milliseconds, 0))
            records.append(RaterRecord(rater, trials, votes, reasons_to_leave_out(definition, trials, votes)))
        return records

    def _answer(
        self, definition: StudyDefinition, trial: Trial, own: np.ndarray, assignment: int, random: np.random.Generator
    ) -> str:
        if assignment < self.num_careless:
            return str(random.choice(trial.answers))
        if assignment < self.num_careless + self.num_left:
            return trial.answers[0]
        if trial.role == "obvious":
            return next(answer for answer in trial.answers if trial.is_right(answer))
        if definition.kind == "real-or-fake":
            label = trial.pictures[0].label
            chance = (
                0.8
                if label == "real"
                else softmax([own[trial.question.subject, definition.methods.index(label)], 0])[0]
            )
            return SAYS_REAL if random.random() < chance else SAYS_FAKE
        if definition.kind == "pairs" and random.random() < 0.1:
            return CANNOT_TELL
        utilities = [own[trial.question.subject, definition.methods.index(one.label)] for one in trial.pictures]
        return str(random.choice(len(utilities), p=softmax(utilities)))
