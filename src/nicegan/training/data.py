"""The training data of one process: two stores of decoded images, and the batch of any step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from nicegan.config import RunConfig
from nicegan.data.augment import crops, to_network
from nicegan.data.cache import ImageStore, open_images
from nicegan.data.folders import Dataset, find_dataset
from nicegan.data.stream import Shard, picks
from nicegan.methods.base import Batch

NUM_SAMPLES = 4  # images a domain in a sample grid
NUM_SCORED = 64  # images a domain in a score

Progress = Callable[[str, int, int], None]  # what, done, total


class TrainingData:
    """Batches by step, and the fixed images of samples and scores.

    Raises:
        DataError: folders or images that cannot be used.
    """

    def __init__(self, config: RunConfig, progress: Progress, shard: Shard = Shard()) -> None:  # noqa: B008
        self.config = config
        self.shard = shard
        self.files = find_dataset(config.data, config.domain_a, config.domain_b)
        self.stores = tuple(
            self._open(files, config.load_size, f"images of {name}", progress)
            for name, files in (("A", self.files.train_a), ("B", self.files.train_b))
        )
        self.scored = self._fixed_images(self.files, progress)

    def batch(self, step: int, device: torch.device) -> Batch:
        """The images of one step, cropped, flipped and scaled to [-1, 1]."""
        sides = [self._side(domain, step).to(device, non_blocking=True) for domain in (0, 1)]
        return Batch(*(to_network(side) for side in sides))

    def samples(self, device: torch.device) -> Batch:
        """The images of the sample grids."""
        return Batch(*(images[:NUM_SAMPLES].to(device) for images in self.scored))

    def _side(self, domain: int, step: int) -> torch.Tensor:
        config, store = self.config, self.stores[domain]
        picked = picks(
            seed=config.seed,
            step=step,
            shard=self.shard,
            domain=domain,
            num_images=len(store.names),
            batch_size=config.batch_size,
            margin=config.crop_margin,
        )
        return crops(store.pixels, picked, config.size)

    def _open(self, files: list[Path], size: tuple[int, int], what: str, progress: Progress) -> ImageStore:
        return open_images(
            files, size, skip_broken=self.config.skip_broken, progress=lambda done: progress(what, done, len(files))
        )

    def _fixed_images(self, files: Dataset, progress: Progress) -> Batch:
        """Test images spread over the test sets; training images where there are no test sets."""
        sides = []
        for name, test, train in (("A", files.test_a, files.train_a), ("B", files.test_b, files.train_b)):
            chosen = spread(test or train, NUM_SCORED)
            store = self._open(chosen, self.config.size, f"test images of {name}", progress)
            sides.append(to_network(torch.from_numpy(np.array(store.pixels))))
        return Batch(*sides)


def spread(files: list[Path], count: int) -> list[Path]:
    """At most `count` of the files, at equal distances."""
    step = max(1, -(-len(files) // count))
    return files[::step]
