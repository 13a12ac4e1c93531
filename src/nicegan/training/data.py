"""The training data of one process: two stores of decoded images, and the batch of any step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from nicegan.config import RunConfig
from nicegan.data.augment import crops, to_network
from nicegan.data.cache import ImageStore, open_images
from nicegan.data.folders import find_dataset, listing, spread
from nicegan.data.stream import Pick, Shard, picks
from nicegan.errors import DataError
from nicegan.methods.base import Batch

NUM_SAMPLES = 4  # images a domain in a sample grid
DETOUR = 0x9E3779B97F4A7C15  # added to the seed after a rollback; any large odd number would do
NUM_SCORED = 64  # images a domain in a score

Progress = Callable[[str, int, int], None]  # what, done, total


class TrainingData:
    """Batches by step, and the fixed images of samples and scores.

    Raises:
        DataError: folders or images that cannot be used; every broken image of every set is listed.
    """

    def __init__(self, config: RunConfig, progress: Progress, shard: Shard = Shard()) -> None:  # noqa: B008
        self.config = config
        self.shard = shard
        files = find_dataset(config.data, config.domain_a, config.domain_b)
        self.without_test = [name for name, test in (("A", files.test_a), ("B", files.test_b)) if not test]
        wanted = {
            "images of A": (files.train_a, config.load_size),
            "images of B": (files.train_b, config.load_size),
            "test images of A": (spread(files.test_a or files.train_a, NUM_SCORED), config.size),
            "test images of B": (spread(files.test_b or files.train_b, NUM_SCORED), config.size),
        }
        stores = {
            what: open_images(paths, size, progress=partial(progress, what)) for what, (paths, size) in wanted.items()
        }
        self._refuse_broken(stores, sum(len(paths) for paths in files))
        train_a, train_b, *scored = stores.values()
        self.stores = (train_a, train_b)
        self.scored = Batch(*(to_network(torch.from_numpy(np.array(store.pixels))) for store in scored))

    def batch(self, drawn: int, device: torch.device, detour: int = 0) -> Batch:
        """The images of one step, cropped, flipped and scaled to [-1, 1]; each `detour` is another order."""
        picked = (
            crops(self.stores[domain].pixels, self._picks(domain, drawn, detour), self.config.size) for domain in (0, 1)
        )
        return Batch(*(to_network(side.to(device, non_blocking=True)) for side in picked))

    def names(self, drawn: int, detour: int = 0) -> dict[str, list[str]]:
        """The files that `batch` draws, by domain."""
        return {
            name: [self.stores[domain].names[pick.image] for pick in self._picks(domain, drawn, detour)]
            for domain, name in enumerate("AB")
        }

    def samples(self, device: torch.device) -> Batch:
        """The images of the sample grids."""
        return Batch(*(images[:NUM_SAMPLES].to(device) for images in self.scored))

    def described(self) -> str:
        """What there is to train on, in words."""
        in_a, in_b = (len(store.names) for store in self.stores)
        return f"{in_a} images of A and {in_b} of B"

    def position(self) -> dict[str, Any]:
        """What must be saved to go on from here; nothing, since the images follow from how many were drawn."""
        return {}

    def restore(self, position: dict[str, Any]) -> None:
        """Go on from a saved position."""

    def close(self) -> None:
        """Let go of files."""

    def _picks(self, domain: int, drawn: int, detour: int) -> list[Pick]:
        config = self.config
        return picks(
            seed=(config.seed + detour * DETOUR) % 2**63,
            drawn=drawn,
            shard=self.shard,
            domain=domain,
            num_images=len(self.stores[domain].names),
            batch_size=config.batch_size * config.accumulate,
            margin=config.crop_margin,
        )

    def _refuse_broken(self, stores: dict[str, ImageStore], count: int) -> None:
        """All broken images of all sets at once, unless they are to be skipped and leave something to train on."""
        broken = {name: reason for store in stores.values() for name, reason in store.broken.items()}
        if broken and not self.config.skip_broken:
            way_out = "repair or remove them, or train without them: --skip-broken"
            raise DataError(f"{len(broken)} of {count} images cannot be read; {way_out}\n{listing(broken)}")
        for what, store in stores.items():
            if not store.names:
                raise DataError(f"none of the {what} can be read\n{listing(store.broken)}")
