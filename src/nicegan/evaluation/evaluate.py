"""Scores of translated images against real ones: of two folders, or of a model on a dataset's test images."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from nicegan.errors import ConfigError
from nicegan.evaluation.content import similarity_to_sources
from nicegan.evaluation.feature_network import FeatureNetwork, Resize, load_feature_network
from nicegan.evaluation.features import cached_features, extract_features
from nicegan.evaluation.folders import translate_files
from nicegan.evaluation.image_set import ImageSet, read_set
from nicegan.evaluation.measure import Measured, choose_halves, measure
from nicegan.evaluation.outcome import Evaluation, SetScores, count_notes
from nicegan.evaluation.translate import DomainName, Translator, load

UNTRANSLATED = "no translation"
Watch = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]


def unwatched(_what: str) -> AbstractContextManager[Callable[[int, int], None]]:
    """A progress bar that nobody sees."""
    return nullcontext(lambda done, count: None)


def evaluate(  # noqa: PLR0913
    real: str | os.PathLike[str],
    fake: str | os.PathLike[str],
    features: str | Path = "inception",
    *,
    source: str | os.PathLike[str] | None = None,
    against: str | os.PathLike[str] | None = None,
    resize: Resize | None = None,
    seed: int = 0,
    device: str = "auto",
    watch: Watch = unwatched,
) -> Evaluation:
    """Score a folder of drawn images against a folder of real ones.

    Args:
        features: the feature network: "inception" (scores are then FID and KID) or a TorchScript file.
        source: folder of the images that were translated, of the same names: adds how much of them is kept, and the
            scores of not translating at all.
        against: another folder of drawn images, to be compared with `fake`.
        resize: "paper", "clean" or "none"; None is "paper" for inception and "none" for other networks.
        seed: of subsets and intervals.
        device: "auto", "cpu", "cuda", "cuda:1" ...

    Raises:
        DataError: folders without images, one image alone, images that cannot be read, or a feature network that is
            missing or does not do.
    """
    _refuse_same(fake, against)
    reals = read_set(Path(real))
    drawn = [read_set(Path(folder)) for folder in (fake, against) if folder is not None]
    sources = None if source is None else read_set(Path(source), UNTRANSLATED)
    if sources is not None:
        for one in drawn:
            one.partners(sources)  # what has no source is said before minutes are spent
    with watch("downloading") as progress:
        network = load_feature_network(features, resize, device, progress)
    return score_sets(reals, drawn, sources, network, seed=seed, watch=watch)


def evaluate_model(  # noqa: PLR0913
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    features: str | Path = "inception",
    *,
    against: str | os.PathLike[str] | None = None,
    resize: Resize | None = None,
    seed: int = 0,
    device: str = "auto",
    watch: Watch = unwatched,
) -> dict[str, Evaluation]:
    """Translate a dataset's test images in both directions and score them: {"A to B": ..., "B to A": ...}.

    Images are translated at the size that the model was trained at, as the paper does, in float32.

    Args:
        model: a run folder or a model.safetensors.
        data: a dataset folder, with testA and testB.
        against: another model, to be compared with `model`.
        features, resize, seed, device, watch: as in `evaluate`.

    Raises:
        CheckpointError: there is no model there. DataError: as `evaluate`.
    """
    _refuse_same(model, against)
    tests = {name: read_set(Path(data) / f"test{name}") for name in ("A", "B")}
    translators = {str(path): load(path, device, "float32") for path in (model, against) if path is not None}
    with watch("downloading") as progress:
        network = load_feature_network(features, resize, device, progress)
    outcomes = {}
    directions: tuple[tuple[str, DomainName], ...] = (("A", "B"), ("B", "A"))
    for source, target in directions:
        inputs = tests[source]._replace(name=UNTRANSLATED)
        with tempfile.TemporaryDirectory(prefix="nicegan-") as folder:
            drawn = _translated(translators, inputs, target, Path(folder), watch)
            found = score_sets(tests[target], drawn, inputs, network, seed=seed, watch=watch)
        outcomes[f"{source} to {target}"] = found
    return outcomes


def score_sets(  # noqa: PLR0913
    real: ImageSet,
    drawn: Sequence[ImageSet],
    source: ImageSet | None,
    network: FeatureNetwork,
    *,
    seed: int = 0,
    watch: Watch = unwatched,
) -> Evaluation:
    """Measure each drawn set and, where there are sources, these as they are; the difference of two drawn sets.

    Two drawn sets of the same names are taken to be drawn from the same images, and compared pair by pair.
    """
    paired = len(drawn) == 2 and set(drawn[0].keys()) == set(drawn[1].keys())
    if paired:
        drawn = [drawn[0], drawn[1]._replace(paths=drawn[0].partners(drawn[1]))]
    with watch(f"features of {real.name}") as progress:
        ruler = _Ruler(cached_features(real.paths, network, progress), source, network, seed, watch)
    candidates = [*([source] if source else []), *drawn]
    found = [ruler.measured(one, 1 if paired else 1 + place) for place, one in enumerate(candidates)]
    counts = {one.name: len(one.paths) for one in candidates}
    num_features = ruler.real.shape[1]
    return Evaluation(
        real=real.name,
        num_real=len(real.paths),
        candidates=[
            SetScores(one.name, len(one.paths), measured.scores(), measured.subsets)
            for one, measured in zip(candidates, found, strict=True)
        ],
        difference=found[-2].minus(found[-1]) if len(drawn) == 2 else {},
        paired=paired,
        network=network.facts,
        num_features=num_features,
        seed=seed,
        notes=[*network.notes, *count_notes(len(real.paths), counts, num_features, network.facts)],
    )


class _Ruler(NamedTuple):
    """What every candidate is measured against, and with: the real images' features (n, d)."""

    real: Tensor
    source: ImageSet | None
    network: FeatureNetwork
    seed: int
    watch: Watch

    def measured(self, one: ImageSet, seed_step: int) -> Measured:
        """The scores of one candidate; candidates of one `seed_step` and count are halved alike."""
        is_source = one is self.source
        with self.watch(f"features of {one.name}") as progress:
            features = (cached_features if is_source else extract_features)(one.paths, self.network, progress)
        similarity = None
        if self.source is not None and not is_source:
            with self.watch(f"similarity of {one.name}") as progress:
                similarity = similarity_to_sources(one.paths, one.partners(self.source), progress)
        counts = len(self.real), len(features), features.shape[1]
        choice = choose_halves(*counts, seed=self.seed, drawn_seed=self.seed + seed_step)
        return measure(self.real, features, similarity, choice, self.seed)


def _translated(
    translators: dict[str, Translator], inputs: ImageSet, target: DomainName, folder: Path, watch: Watch
) -> list[ImageSet]:
    """The inputs as each translator draws them, in files at its own size."""
    drawn = []
    for number, (name, translator) in enumerate(translators.items()):
        out, size = folder / str(number), translator.card.image_size
        with watch(f"translating to {target}") as progress:
            paths = translate_files(translator, [inputs.folder], out, to=target, resize=size, progress=progress)
        drawn.append(ImageSet(name, out, paths))
    return drawn


def _refuse_same(one: str | os.PathLike[str], other: str | os.PathLike[str] | None) -> None:
    if other is not None and Path(one).resolve() == Path(other).resolve():
        raise ConfigError(f"{one} is compared with itself: name another one with --against")
