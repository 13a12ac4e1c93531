"""nicegan study create: from the command's arguments to a study's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import TYPE_CHECKING

from nicegan.cli.progress import bar
from nicegan.console import say
from nicegan.errors import ConfigError
from nicegan.study.create import create_study
from nicegan.study.definition import OpenStudy, StudyDefinition
from nicegan.study.sources import Sources, of_comparison, pair_folders, parse_methods
from nicegan.study.trials import all_questions, num_assignments, trials_of

if TYPE_CHECKING:
    from rich.console import Console

    from nicegan.cli.study import CreateArguments


def create(given: CreateArguments, console: Console) -> int:
    """Make a study and say what it asks for; returns the exit code."""
    with sources_of(given) as sources, bar(console, "copying images") as progress:
        study = create_study(sources, given, given.out, progress)
    for line in in_words(study):
        say(console, line)
    return 0


@contextmanager
def sources_of(given: CreateArguments) -> Iterator[Sources]:
    """Within: the images that the arguments name; raises ConfigError where they name none, or two sets."""
    if given.comparison is not None:
        if given.source or given.method:
            raise ConfigError(f"give the comparison {given.comparison}, or --source with --method, not both")
        if given.reference:
            raise ConfigError("--reference goes with --source; the real images of a comparison are its test images")
        with of_comparison(given.comparison, given.to) as sources:
            yield sources if given.kind == "real-or-fake" else sources._replace(real=[])
        return
    if given.source is None or not given.method:
        raise ConfigError("name a finished comparison, or --source and --method (see nicegan study create --help)")
    methods = parse_methods(given.method)
    yield pair_folders(given.source, methods, given.reference, pair_reference=given.kind != "real-or-fake")


def in_words(study: OpenStudy) -> list[str]:
    """Return what the study asks for, and what to do next."""
    definition = study.definition
    num_questions = len(all_questions(definition))
    lines = [
        f"{study.folder}: {num_questions} questions about {len(definition.subjects)} images and "
        f"{len(definition.methods)} methods ({', '.join(definition.methods)})",
        f"each answered {definition.votes_per_image} times: {num_assignments(definition)} raters with "
        f"{len(trials_of(definition, 0, 0))} trials each",
        *notes(definition),
        f"next: nicegan study serve {study.folder}",
    ]
    if definition.real_images:
        share = len(definition.real_images) / num_questions
        lines.insert(1, f"{len(definition.real_images)} of the images are real ({100 * share:.0f} %)")
    return lines


def notes(definition: StudyDefinition) -> list[str]:
    """Return which methods have equal outputs, between which nobody can choose, or outputs that equal their sources."""
    found = []
    total, methods = len(definition.subjects), definition.methods
    for method in methods:
        if equal := sum(subject.outputs[method] == subject.source for subject in definition.subjects):
            found.append(f"{equal} of {total} outputs of {method} are the source images themselves")
    for one, other in combinations(methods, 2):
        if equal := sum(subject.outputs[one] == subject.outputs[other] for subject in definition.subjects):
            found.append(f"{equal} of {total} outputs of {one} and {other} are equal")
    return found
