"""nicegan study: people rate the outputs of several methods in a browser, and a report says how sure it is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro
from pydantic import Field, PositiveInt

from nicegan.cli.parts import Part, run_part
from nicegan.config import Frozen
from nicegan.errors import StudyError
from nicegan.study.definition import Plan

SEVERAL = "--method"  # takes several values, and may also be given several times


class SourceArguments(Frozen):
    """Where a study gets its images from, and where it goes."""

    comparison: Annotated[Path | None, tyro.conf.Positional] = None
    """A finished folder of nicegan compare, in place of --source and --method."""
    to: Literal["A", "B"] = "B"
    """Of a comparison: the domain that was translated into."""
    source: Path | None = None
    """Folder of the images that were translated."""
    method: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=DIR ...")] = ()
    """Each method's name and the folder of its outputs, which are named like their sources."""
    reference: Path | None = None
    """Folder of real images: of the sources' names for --show reference, of any names for --kind real-or-fake."""
    out: Path = Path("study")
    """The study's folder; new."""


class CreateArguments(Plan, SourceArguments):
    """Make the folder of a study; all that decides it is written now, and cannot be changed after.

    nicegan study create runs/comparison

    nicegan study create --source photos/testA --method ours=out/ours theirs=out/theirs --out STUDY
    """


class ServeArguments(Frozen):
    """Serve a study until Ctrl-C; a vote that was acknowledged is on the disk, whatever happens next.

    nicegan study serve STUDY

    nicegan study serve STUDY --host 0.0.0.0 --token
    """

    study: Annotated[Path, tyro.conf.Positional]
    """A folder of nicegan study create."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every network of this machine."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0 takes any that is free."""
    token: bool = False
    """Only who has the link that is printed may take part."""


class ReportArguments(Frozen):
    """Write report.md, report.html, report.json, votes.csv and figure.png of a study.

    nicegan study report STUDY
    """

    study: Annotated[Path, tyro.conf.Positional]
    """A folder of nicegan study create."""
    out: Path | None = None
    """Folder for the report; STUDY/report without it."""


class PlanArguments(Frozen):
    """Simulate studies: how many raters and images it takes to tell one share of votes from another.

    nicegan study plan --shares 0.40 0.33
    """

    shares: tuple[float, float]
    """The share that a method has, and the one that it is compared with, as fractions."""
    raters: tuple[PositiveInt, ...] = (5, 10, 20, 40, 80)
    """Numbers of raters to try."""
    images: tuple[PositiveInt, ...] = (10, 20, 40, 80)
    """Numbers of images to try."""
    trials: PositiveInt | None = None
    """Images that each rater sees; all of them without it."""
    rater_spread: Annotated[float, Field(ge=0, le=5)] = 0.4
    """Standard deviation of the raters' preference, in logits."""
    image_spread: Annotated[float, Field(ge=0, le=5)] = 0.6
    """Standard deviation of the images' preference, in logits."""
    power: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """How often the difference shall be found."""
    simulations: Annotated[int, Field(ge=50, le=100_000)] = 400
    """Simulated studies for each number of raters and images."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the simulation."""


def run(arguments: list[str]) -> int:
    """Do one part; returns the exit code."""
    return run_part("study", PARTS, joined(arguments))


def joined(arguments: list[str]) -> list[str]:
    """Return the arguments with the values of every --method behind one of them."""
    kept, values, taking = list[str](), list[str](), False
    for argument in arguments:
        flag, equals, value = argument.partition("=")
        if flag == SEVERAL:
            taking = True
            values += [value] if equals else []
        elif argument.startswith("--"):
            taking = False
            kept.append(argument)
        else:
            (values if taking else kept).append(argument)
    return [*kept, SEVERAL, *values] if values else kept


def create(given: CreateArguments) -> int:
    """Make a study and say what it asks for."""
    from rich.console import Console

    from nicegan.cli.study_create import create as make

    return make(given, Console(stderr=True))


def serve(given: ServeArguments) -> int:
    """Serve a study."""
    from contextlib import ExitStack

    from filelock import FileLock, Timeout

    from nicegan.listening import open_port, said_to_others, url_of
    from nicegan.study.definition import changed_images, read_study
    from nicegan.study.server import build_app, study_token
    from nicegan.study.server import serve as serve_app
    from nicegan.study.session import Session
    from nicegan.study.store import VoteStore

    study = read_study(given.study)
    with ExitStack() as ends:
        store = VoteStore(study)
        ends.callback(store.close)
        if wrong := changed_images(study):
            raise StudyError(
                f"{len(wrong)} images of {given.study} are missing or changed, {wrong[0]}.png for one: put copies back"
            )
        listener = ends.enter_context(open_port(given.host, given.port))
        lock = FileLock(given.study / ".lock", timeout=0)
        try:
            ends.enter_context(lock)
        except Timeout:
            raise StudyError(f"{given.study} is served by another process: end that one first") from None
        session = Session(study, store)
        token = study_token(session) if given.token else None
        way, others = f"/invited/{token}" if token else "/", said_to_others(listener)
        sys.stdout.write(f"raters: {url_of(listener)}{way}\n{others}Ctrl-C ends; votes are kept\n")
        sys.stdout.flush()
        serve_app(build_app(session, token), listener)
    return 0


def report(given: ReportArguments) -> int:
    """Write the report."""
    from nicegan.study.files import write_report

    found = write_report(given.study, given.out or given.study / "report")
    sys.stdout.write(found.summary())
    return 0


def plan(given: PlanArguments) -> int:
    """Print how often studies of several sizes find the difference."""
    from nicegan.study.planning import simulate

    sys.stdout.write(simulate(**given.model_dump()).text())
    return 0


PARTS = {
    "create": Part(CreateArguments, "make a study from source images and the outputs of several methods", create),
    "serve": Part(ServeArguments, "let raters answer in their browsers", serve),
    "report": Part(ReportArguments, "shares with intervals, tests, agreement; while it runs or after", report),
    "plan": Part(PlanArguments, "how many raters and images it takes to find a difference of two shares", plan),
}
