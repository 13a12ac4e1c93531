"""Scores of translated images against real ones: of two folders, or of a model on a dataset's test images."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

from torch import Tensor

from nicegan.config import INCEPTION, Size, levels_of
from nicegan.distributed import ALONE, ProcessGroup
from nicegan.errors import ConfigError
from nicegan.evaluation.content import similarity_to_sources
from nicegan.evaluation.diversity import STYLES_NOTE, diversity
from nicegan.evaluation.features import cached_features, shared_features
from nicegan.evaluation.first_glance import add_appearance
from nicegan.evaluation.held_out import read_test_images
from nicegan.evaluation.image_set import ImageSet, read_set
from nicegan.evaluation.measure import Choice, Measured, choose_halves, measure
from nicegan.evaluation.outcome import Evaluation, SetScores, count_notes
from nicegan.evaluation.unlike import unlike_note
from nicegan.evaluation.watch import Watch, unwatched
from nicegan.feature_network import FeatureNetwork, NetworkFacts, Resize, load_feature_network
from nicegan.inference.files import Scaling, translate_planned
from nicegan.inference.styles import styles_for_scores
from nicegan.inference.translator import Translator, load
from nicegan.methods.base import HasStyles
from nicegan.model_file import ModelSpec
from nicegan.shapes import OTHER, DomainName

UNTRANSLATED = "no translation"


def evaluate(  # noqa: PLR0913
    real: str | os.PathLike[str],
    fake: str | os.PathLike[str],
    features: str | Path = "inception",
    *,
    source: str | os.PathLike[str] | None = None,
    against: str | os.PathLike[str] | None = None,
    size: Literal["own"] | int | Size = "own",
    resize: Resize | None = None,
    seed: int = 0,
    device: str = "auto",
    watch: Watch = unwatched,
    processes: ProcessGroup = ALONE,
) -> Evaluation:
    """Score a folder of fakes against a folder of real ones.

    Args:
        features: the feature network: "inception" (scores are then FID and KID) or a TorchScript file.
        source: folder of the images that were translated, of the same names: adds how much of them is kept, and the
            scores of not translating at all.
        against: another folder of fakes, to be compared with `fake`.
        size: "own" leaves every image its size; else pixels a side, or (height, width), that all are brought to.
        resize: "paper", "clean" or "none"; None is "paper" for inception and "none" for other networks.
        seed: of subsets and intervals.
        processes: of one machine, which share the work.

    Raises:
        DataError: folders without images or with one alone, images or a feature network that cannot be used.
    """
    _refuse_same(fake, against)
    reals, *fakes = [read_set(Path(folder)) for folder in (real, fake, against) if folder is not None]
    sources = None if source is None else read_set(Path(source), UNTRANSLATED)
    if sources:
        _ = [one.partners(sources) for one in fakes]  # what has no source is said before minutes are spent
    asked = None if size == "own" else (size, size) if isinstance(size, int) else size
    network = _open_network(features, resize, device, watch, processes)
    network.facts = network.facts._replace(size=asked)
    network.notes += _file_notes([reals, *fakes, *([sources] if sources else [])], asked)
    scored = score_sets(reals, fakes, sources, network, seed=seed, watch=watch, processes=processes)
    return processes.on_first(lambda: add_appearance(scored, reals, fakes, sources))


def evaluate_model(  # noqa: PLR0913
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    features: str | Path = "inception",
    *,
    against: str | os.PathLike[str] | None = None,
    size: Literal["model", "own"] | int = "model",
    resize: Resize | None = None,
    seed: int = 0,
    device: str = "auto",
    watch: Watch = unwatched,
    processes: ProcessGroup = ALONE,
) -> dict[str, Evaluation]:
    """Translate a dataset's test images in both directions and score them: {"A to B": ..., "B to A": ...}.

    All images are translated (in float32) and scored at one size. A model with styles translates each image with one
    random style; `diversity` then tells how different several translations of one image are.

    Args:
        model: a run folder or a model.safetensors.
        data: a dataset folder, with testA and testB: folders, lists or tar shards.
        against: another model, to be compared with `model`.
        size: "model" is that of the (first) model's training, as in the paper; else pixels a side, or "own".
        features, resize, seed, device, watch, processes: as in `evaluate`.

    Raises:
        CheckpointError: there is no model there. DataError: as `evaluate`.
    """
    _refuse_same(model, against)
    paths = [model] if against is None else [model, against]
    translators = processes.on_each(lambda: {str(path): load(path, device, "float32") for path in paths})
    with _shared_folder(processes) as unpacked:
        tests = processes.on_first(lambda: read_test_images(Path(data), unpacked))
        network = _open_network(features, resize, device, watch, processes)
        network.facts = _as_trained(network.facts, next(iter(translators.values())).spec, size)
        network.notes += [*_size_notes(translators, network.facts.size), *_passed_over(tests)]
        return {
            f"{source} to {target}": _scored(translators, tests, target, network, seed, watch, processes)
            for source, target in OTHER.items()
        }


def score_sets(  # noqa: PLR0913
    real: ImageSet,
    fakes: Sequence[ImageSet],
    source: ImageSet | None,
    network: FeatureNetwork,
    *,
    seed: int = 0,
    watch: Watch = unwatched,
    processes: ProcessGroup = ALONE,
) -> Evaluation:
    """Measure each set of fakes and, where there are sources, these as they are; the difference of two sets of fakes.

    Two sets of fakes of the same names are taken to be made of the same images, and compared pair by pair.
    """
    real, _ = real.by_contents()
    paired = len(fakes) == 2 and fakes[0].is_paired_with(fakes[1])
    ordered = _ordered(fakes, paired=paired)
    if source:
        source, number = source.by_contents()
        ordered.insert(0, (source, number))
    reals = _features(real, network, watch, processes, kept=True)
    found: list[Measured] = []
    for one, number in ordered:  # equal bytes are equal scores and intervals, whatever the names
        features = _features(one, network, watch, processes, kept=one is source)
        choice = choose_halves(len(reals), len(features), features.shape[1], seed=seed, fake_seed=seed + 1 + number)
        similarity = partial(_similarity, one, source, watch)
        found.append(processes.on_first(partial(_measured, reals, features, similarity, choice, seed)))
    candidates = [one for one, _ in ordered]
    counts = {one.name: len(one.paths) for one in candidates}
    return Evaluation(
        real=real.name,
        num_real=len(reals),
        candidates=[_scores(one, measured) for one, measured in zip(candidates, found, strict=True)],
        difference=found[-2].minus(found[-1]) if len(fakes) == 2 else {},
        paired=paired,
        network=network.facts,
        num_features=reals.shape[1],
        seed=seed,
        notes=[*network.notes, *count_notes(len(reals), counts, reals.shape[1], network.facts)],
    )


def _ordered(fakes: Sequence[ImageSet], *, paired: bool) -> list[tuple[ImageSet, int]]:
    """Return each set ordered by contents, and the number that seeds its halves; pairs stay together."""
    ordered = [one.by_contents() for one in fakes]
    if paired:
        first, number = ordered[0]
        ordered[1] = fakes[1]._replace(paths=first.partners(fakes[1]), keys=first.keys), number
    return ordered


def _scores(one: ImageSet, measured: Measured) -> SetScores:
    return SetScores(one.name, len(one.paths), measured.scores(), measured.subsets)


def _measured(
    reals: Tensor, features: Tensor, similarity: Callable[[], Tensor | None], choice: Choice | None, seed: int
) -> Measured:
    return measure(reals, features, similarity(), choice, seed)


def _features(one: ImageSet, network: FeatureNetwork, watch: Watch, processes: ProcessGroup, *, kept: bool) -> Tensor:
    with watch(f"features of {one.name}") as progress:
        return (cached_features if kept else shared_features)(one.paths, network, progress, processes)


def _open_network(
    features: str | Path, resize: Resize | None, device: str, watch: Watch, processes: ProcessGroup
) -> FeatureNetwork:
    """Return the network; the first process downloads it, if it must be."""
    with watch("downloading") if str(features) == INCEPTION else unwatched("") as progress:
        return processes.on_first_here(lambda: load_feature_network(features, resize, device, progress))


@contextmanager
def _shared_folder(processes: ProcessGroup) -> Iterator[Path]:
    """A folder that all processes of this machine see, for as long as the context lasts."""
    folder = Path(processes.on_first(lambda: tempfile.mkdtemp(prefix="nicegan-")))
    try:
        yield folder
        processes.all_gather(None)  # until all are done with it
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _similarity(one: ImageSet, source: ImageSet | None, watch: Watch) -> Tensor | None:
    if source is None or one is source:
        return None
    with watch(f"similarity of {one.name}") as progress:
        return similarity_to_sources(one.paths, one.partners(source), progress)


def _translated(  # noqa: PLR0913
    translators: dict[str, Translator],
    inputs: ImageSet,
    target: DomainName,
    folder: Path,
    size: Size | None,
    seed: int,
    watch: Watch,
    processes: ProcessGroup,
) -> list[ImageSet]:
    """Return the inputs, translated by each into files at this size, or each at its own."""
    sets = []
    for number, (name, translator) in enumerate(translators.items()):
        out = folder / str(number)
        plan = {path: out / f"{key}.png" for path, key in zip(inputs.paths, inputs.keys, strict=True)}
        with watch(f"translating to {target}") as bar:
            translate_planned(
                translator, plan, to=target, scaling=Scaling(size), styles=styles_for_scores(translator, seed),
                progress=bar, processes=processes,
            )  # fmt: skip
        sets.append(ImageSet(name, str(out), list(plan.values()), inputs.keys))
    return sets


def _scored(  # noqa: PLR0913
    translators: dict[str, Translator],
    tests: dict[str, ImageSet],
    target: DomainName,
    network: FeatureNetwork,
    seed: int,
    watch: Watch,
    processes: ProcessGroup,
) -> Evaluation:
    """Translate the test images of the other domain to the target, and score what comes out."""
    inputs = tests[OTHER[target]]._replace(name=UNTRANSLATED)
    with _shared_folder(processes) as folder:
        fakes = _translated(translators, inputs, target, folder, network.facts.size, seed, watch, processes)
        scored = score_sets(tests[target], fakes, inputs, network, seed=seed, watch=watch, processes=processes)
        methods = {name: translator.spec.method for name, translator in translators.items()}
        found = processes.on_first(lambda: add_appearance(scored, tests[target], fakes, inputs, methods))
        several = {
            name: diversity(
                translator, inputs, tests[target], target, folder / f"styles-{number}",
                network=network, seed=seed, watch=watch, processes=processes,
            )
            for number, (name, translator) in enumerate(translators.items())
            if isinstance(translator.networks, HasStyles)
        }  # fmt: skip
    return found._replace(diversity=several, notes=[*found.notes, *([STYLES_NOTE] if several else [])])


def _as_trained(facts: NetworkFacts, spec: ModelSpec, size: Literal["model", "own"] | int) -> NetworkFacts:
    """Return the facts with the size that is asked for, and 16-bit images read as the model reads them."""
    asked = (size, size) if isinstance(size, int) else spec.image_size if size == "model" else None
    return facts._replace(size=asked, levels=levels_of(spec.value_range))


def _passed_over(tests: dict[str, ImageSet]) -> list[str]:
    return [test.note for test in tests.values() if test.note]


def _file_notes(sets: Sequence[ImageSet], size: Size | None) -> Iterator[str]:
    """Say what was passed over, and in what the files of the sets differ."""
    yield from (one.note for one in sets if one.note)
    if size is None and (note := unlike_note({one.name: one.paths for one in sets})):
        yield note


def _size_notes(translators: dict[str, Translator], size: Size | None) -> Iterator[str]:
    """Say which models are scored at another size than they were trained at."""
    for name, translator in translators.items():
        if (trained := translator.spec.image_size) != size:
            asked = "each image's own size" if size is None else f"{size[1]}x{size[0]}"
            yield f"{name} was trained at {trained[1]}x{trained[0]} pixels, and is scored at {asked}"


def _refuse_same(one: str | os.PathLike[str], other: str | os.PathLike[str] | None) -> None:
    if other is not None and Path(one).resolve() == Path(other).resolve():
        raise ConfigError(f"{one} is compared with itself: name another one with --against")
