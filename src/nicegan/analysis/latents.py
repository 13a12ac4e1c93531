"""Where the two domains lie in the latent space they share: near each other, the paper says, and nearer with NICE.

Images of A go through the encoder of A, images of B through the encoder of B. A latent is a map, and the generator sees
all of it, so all of it counts: the flattened maps of both domains together, turned to their first 50 principal
components (what scikit-learn advises before t-SNE; distances change only by the variance left out, which is reported).
The picture, the discrepancy, the neighbours and the mixing are all of these same points. The paper states neither its
flattening nor its kernel, so its values compare with each other and not with these.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from nicegan.analysis.images import DomainImages, chosen_images, open_model
from nicegan.config import levels_of
from nicegan.data.cache import Progress
from nicegan.data.places import Dataset
from nicegan.device import Machine
from nicegan.errors import DataError
from nicegan.methods.base import TranslationModel
from nicegan.metrics.components import principal_components
from nicegan.metrics.mmd import PermutationTest, gaussian_kernel, median_distance, permutation_test
from nicegan.metrics.neighbours import Mixing, Nearest, mixing, nearest
from nicegan.model_file import ModelSpec
from nicegan.shapes import DomainName, Latent

NUM_COMPONENTS = 50
PERPLEXITY = 30.0
NUM_PERMUTATIONS = 1000
NUM_NEAREST = 4  # shown for an image
BATCH = 8  # images encoded together
SMALLEST_COUNT = 2  # images a domain: the unbiased MMD needs pairs
KERNEL = "Gaussian, exp(-|x - y|^2 / (2 bandwidth^2))"
BANDWIDTH = "median Euclidean distance of the latents of both domains together"


class LatentAnalysis(NamedTuple):
    """What one model makes of both domains. All points are (n, k), the latents of A first."""

    path: Path
    spec: ModelSpec
    images: dict[DomainName, DomainImages]
    latent_shape: tuple[int, ...]
    points: Float[Tensor, "n k"]
    variance_kept: float
    flat: Float[Tensor, "n 2"]
    perplexity: float
    bandwidth: float
    test: PermutationTest
    mixing: Mixing
    nearest: dict[str, Nearest]  # of "A": the nearest images of B for every image of A

    @property
    def num_first(self) -> int:
        """Images of A."""
        return len(self.images["A"].names)

    @property
    def mmd(self) -> float:
        """The root of the unbiased MMD^2; 0 where that is negative."""
        return max(self.test.mmd_squared, 0.0) ** 0.5

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "model": str(self.path),
            "method": self.spec.method.name,
            "encoder": self.spec.method.encoder_name(),
            "step": self.spec.step,
            "image_size": list(self.spec.image_size),
            "images": {domain: len(side.names) for domain, side in self.images.items()},
            "latent_shape": list(self.latent_shape),
            "components": self.points.shape[1],
            "variance_kept": self.variance_kept,
            "mmd_squared": self.test.mmd_squared,
            "mmd": self.mmd,
            "bandwidth": self.bandwidth,
            "p_value": self.test.p_value,
            "mixing": self.mixing._asdict(),
            "perplexity": self.perplexity,
        }


def analyse_latents(  # noqa: PLR0913
    path: Path,
    dataset: Dataset,
    machine: Machine,
    *,
    count: int = 200,
    seed: int = 0,
    progress: Progress = lambda done, count: None,
) -> LatentAnalysis:
    """Look at the latents of at most `count` images of each domain.

    Args:
        path: a run folder or a model file.
        dataset: its test images are taken, or its training images where it has none.
        seed: of the permutations and of t-SNE.
        progress: told how many of how many images are encoded.

    Raises:
        CheckpointError: no model, or one that cannot be analysed.
        DataError: images that cannot be read, too few of them, or all with one latent.
    """
    model = open_model(path, machine)
    images = chosen_images(dataset, model.spec.image_size, count, levels_of(model.spec.value_range))
    for domain, side in images.items():
        if len(side.names) < SMALLEST_COUNT:
            raise DataError(f"domain {domain} has {len(side.names)} image: a distance of domains needs two or more")
    latents = encoded(images, model.networks, machine, progress)
    return compared(path, model.spec, images, latents, seed)


def compared(
    path: Path, spec: ModelSpec, images: dict[DomainName, DomainImages], latents: Latent, seed: int
) -> LatentAnalysis:
    """Return the analysis of these latents, those of A first."""
    components = principal_components(latents.flatten(1), NUM_COMPONENTS)
    points, num_first = components.points, len(images["A"].names)
    bandwidth = median_distance(points)
    if bandwidth == 0:
        raise DataError("all latents are equal: are the images all the same?")
    perplexity = fitting_perplexity(len(points))
    a, b = points[:num_first], points[num_first:]
    return LatentAnalysis(
        path=path,
        spec=spec,
        images=images,
        latent_shape=tuple(latents.shape[1:]),
        points=points,
        variance_kept=components.variance_kept,
        flat=flattened(points, perplexity, seed),
        perplexity=perplexity,
        bandwidth=bandwidth,
        test=permutation_test(gaussian_kernel(points, bandwidth), num_first, NUM_PERMUTATIONS, seed),
        mixing=mixing(points, num_first),
        nearest={"A": nearest(a, b, NUM_NEAREST), "B": nearest(b, a, NUM_NEAREST)},
    )


@torch.no_grad()
def encoded(
    images: dict[DomainName, DomainImages], networks: TranslationModel, machine: Machine, progress: Progress
) -> Latent:
    """Return the latents of all images on the CPU, each domain's by its own encoder."""
    total = sum(len(side.names) for side in images.values())
    latents: list[Tensor] = []
    for domain, side in images.items():
        for few in side.images.split(BATCH):
            with machine.autocast():
                latents += networks.encode(few.to(machine.device), domain).float().cpu()
            progress(len(latents), total)
    return torch.stack(latents)


def fitting_perplexity(count: int) -> float:
    """Return the usual perplexity, or for few points as much as leaves each three times as many neighbours."""
    return min(PERPLEXITY, (count - 1) / 3)


def flattened(points: Float[Tensor, "n k"], perplexity: float, seed: int) -> Float[Tensor, "n 2"]:
    """t-SNE of the points: near points stay near; far distances and the axes mean nothing."""
    from sklearn.manifold import TSNE

    return torch.from_numpy(TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(points.numpy()))


def as_record(analyses: Sequence[LatentAnalysis], seed: int) -> dict[str, Any]:
    """Return all that latents.json says: the definitions, the versions, and each model's figures."""
    packages = ("nicegan", "torch", "numpy", "scikit-learn")
    return {
        "representation": f"whole latent maps, flattened; first {NUM_COMPONENTS} principal components of both domains",
        "kernel": KERNEL,
        "bandwidth": BANDWIDTH,
        "estimate": "unbiased MMD^2; MMD is its root, 0 where it is negative",
        "permutations": NUM_PERMUTATIONS,
        "seed": seed,
        "models": [analysis.as_dict() for analysis in analyses],
        "versions": {name: version(name) for name in packages},
    }
