"""How different the translations of one image are, beside real images, for models with styles."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from nicegan.data.folders import evenly_chosen
from nicegan.distributed import ProcessGroup
from nicegan.evaluation.features import cached_features, shared_features
from nicegan.evaluation.image_set import ImageSet
from nicegan.evaluation.watch import Watch
from nicegan.feature_network import FeatureNetwork
from nicegan.inference.files import Scaling, translate_planned
from nicegan.inference.plan import numbered
from nicegan.inference.styles import SCORES_USE, random_styles
from nicegan.inference.translator import Translator
from nicegan.metrics.diversity import mean_pairwise_distance
from nicegan.shapes import DomainName

NUM_INPUTS, NUM_OUTPUTS = 50, 5  # at the most; translations of each
MOST_REAL = 1000  # images whose distances from each other are taken
STYLES_NOTE = f"models with styles: {SCORES_USE}"


class Diversity(NamedTuple):
    """The mean distance between features of two translations of one image, and of two real images of the target."""

    value: float
    among_real: float
    num_inputs: int
    num_outputs: int

    def in_words(self, name: str) -> str:
        """Return a line: "diversity of mine: 3.2 between two of 5 translations of one image (50 images); ..."."""
        images = f"{self.num_inputs} image{'s' if self.num_inputs > 1 else ''}"
        return (
            f"diversity of {name}: {self.value:.3g} between two of {self.num_outputs} translations of one image "
            f"({images}), {self.among_real:.3g} between two real images"
        )


def diversity(  # noqa: PLR0913
    translator: Translator,
    inputs: ImageSet,
    real: ImageSet,
    target: DomainName,
    folder: Path,
    *,
    network: FeatureNetwork,
    seed: int,
    watch: Watch,
    processes: ProcessGroup,
) -> Diversity:
    """Return how different several translations of one image are, in the mean over some of the inputs.

    Args:
        inputs: images of the other domain; those that are taken follow from their bytes alone.
        real: images of the target domain.
        folder: where translations are written.
        seed: of the styles.
    """
    chosen = evenly_chosen(inputs.by_contents()[0].paths, NUM_INPUTS)
    plan = {path: folder / f"{index:06d}.png" for index, path in enumerate(chosen)}
    styles = random_styles(translator, NUM_OUTPUTS, seed)
    with watch(f"translating to {target} in several styles") as progress:
        translate_planned(
            translator, plan, to=target, scaling=Scaling(network.facts.size), styles=styles, progress=progress,
            processes=processes,
        )  # fmt: skip
    outputs = [output for path in plan.values() for output in numbered(path, NUM_OUTPUTS)]
    with watch("features of several styles") as progress:
        features = shared_features(outputs, network, progress, processes)
        reals = cached_features(real.by_contents()[0].paths, network, progress, processes)
    of_one = mean_pairwise_distance(features.double().unflatten(0, (len(chosen), NUM_OUTPUTS)))
    among_real = mean_pairwise_distance(reals.double()[evenly_chosen(range(len(reals)), MOST_REAL)])
    return Diversity(of_one.mean().item(), among_real.item(), len(chosen), NUM_OUTPUTS)
