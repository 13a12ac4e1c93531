"""The images that a study is made from: sets whose images belong together by their names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from nicegan.comparison.outputs import Direction, fakes_folder, output_names
from nicegan.comparison.plan import COMPARISON_FILE
from nicegan.config import first_mistake
from nicegan.data.folders import require_images
from nicegan.errors import ConfigError, DataError
from nicegan.evaluation.held_out import read_test_images
from nicegan.evaluation.pairs import partners
from nicegan.run_config import RunConfig
from nicegan.shapes import OTHER, DomainName
from nicegan.study.definition import REAL
from nicegan.study.trials import CANNOT_TELL, DAMAGED, SAYS_FAKE, WHOLE

NUM_NAMED = 5
TAKEN = {REAL, CANNOT_TELL, SAYS_FAKE, WHOLE, DAMAGED}  # names of answers and of labels


class Sources(NamedTuple):
    """The source images by name, and the images of other sets that belong to them; real images belong to none."""

    source: dict[str, Path]
    outputs: dict[str, dict[str, Path]]
    reference: dict[str, Path] | None
    real: list[Path]


def parse_methods(texts: tuple[str, ...]) -> dict[str, Path]:
    """Return the folders of methods by name, from "NAME=DIR".

    Raises:
        ConfigError: a text of another form, one name twice, or a name that means something else here.
    """
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, folder = (part.strip() for part in text.partition("="))
        if not (name and equals and folder) or not name.isprintable() or len(name) > 60:
            raise ConfigError(f"--method {text}: give a name and a folder, NAME=DIR")
        if name in found or name.casefold() in TAKEN:
            reason = "is the name of two methods" if name in found else "means something else in a study"
            raise ConfigError(f"--method {text}: {name} {reason}; choose another name")
        found[name] = Path(folder).expanduser()
    return found


def pair_folders(source: Path, methods: Mapping[str, Path], reference: Path | None, *, pair_reference: bool) -> Sources:
    """Return the images of folders, paired by their names.

    Args:
        source: the folder of source images.
        methods: the folder of outputs of each method.
        reference: a folder of real images of the target domain.
        pair_reference: whether those belong to the sources by name; otherwise they are real images by themselves.

    Raises:
        DataError: folders without images, or names that are missing, too many or clash; all of them are listed.
    """
    sources = _named(source)
    paired = pair_reference and reference is not None
    folders = dict(methods) | ({REAL: reference} if paired and reference else {})
    sets, problems = {}, []
    for name, folder in folders.items():
        sets[name], found = _paired(sources, folder, source)
        problems += found
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise DataError(f"each source image needs one output of its name from every method\n{listed}")
    real = [] if reference is None or paired else require_images(reference)
    return Sources(sources, {name: sets[name] for name in methods}, sets.get(REAL), real)


def _named(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in require_images(folder)}


def _paired(sources: dict[str, Path], folder: Path, source: Path) -> tuple[dict[str, Path], list[str]]:
    """Return the image of a folder that belongs to each source, and what is wrong."""
    there = _named(folder)
    names = list(there)
    try:
        indices = partners(list(sources), names, str(source), str(folder))
    except DataError as problem:
        return {}, [str(problem)]
    extra = [name for index, name in enumerate(names) if index not in set(indices)]
    if extra:
        more = " ..." if len(extra) > NUM_NAMED else ""
        listed = ", ".join(map(repr, extra[:NUM_NAMED])) + more
        return {}, [f"{len(extra)} of {len(names)} images in {folder} have none of their name in {source}: {listed}"]
    return {name: there[names[index]] for name, index in zip(sources, indices, strict=True)}, []


@contextmanager
def of_comparison(folder: Path, to: DomainName) -> Iterator[Sources]:
    """Within: the test images and outputs of a finished `nicegan compare`, of each recipe's first seed.

    Raises:
        ConfigError: there is no comparison, or a recipe without outputs.
        DataError: test images that cannot be read any more.
    """
    way = Direction(OTHER[to], to)
    data, recipes, seed = _read_comparison(folder)
    with TemporaryDirectory(prefix="nicegan-") as unpacked:
        tests = read_test_images(data, Path(unpacked) / "tests")
        paths = tests[way.source].paths
        source = dict(zip(output_names(paths), paths, strict=True))
        outputs = {}
        for name in recipes:
            fakes = fakes_folder(folder, way, name, seed)
            outputs[name] = {stem: fakes / f"{stem}.png" for stem in source}
            if missing := [path.name for path in outputs[name].values() if not path.is_file()]:
                raise ConfigError(
                    f"{fakes} lacks {len(missing)} of {len(source)} outputs: let the comparison finish, or name the "
                    "folders with --source and --method"
                )
        yield Sources(source, outputs, None, tests[way.target].paths)


def _read_comparison(folder: Path) -> tuple[Path, list[str], int]:
    """Return a comparison's dataset folder, the names of its recipes, and its first seed."""
    note = folder / COMPARISON_FILE
    if not note.is_file():
        raise ConfigError(f"{folder} is not a folder of nicegan compare: it has no {COMPARISON_FILE}")
    try:
        content = json.loads(note.read_text(encoding="utf-8"))
        recipes = {name: RunConfig.model_validate(config) for name, config in content["recipes"].items()}
        seed = int(content["seeds"][0])
        data = next(config.data for config in recipes.values())
        if data is None:
            raise ValueError("it names no dataset folder")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, StopIteration) as problem:
        raise ConfigError(f"{note} cannot be read: {first_mistake(problem)}") from None
    return Path(data), list(recipes), seed
