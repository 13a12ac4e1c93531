"""The training data of one process: a source of images a domain, and the batch of any step."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from nicegan.config import Size, is_url, levels_of
from nicegan.data.augment import cropped, to_network
from nicegan.data.cache import ImageStore, Pixels, open_images
from nicegan.data.dataset import CachedImages, Reading, Source, StreamedImages, first_images
from nicegan.data.depth import shallow_depth
from nicegan.data.folders import evenly_chosen, ignore_image_warnings, listing
from nicegan.data.places import Dataset, Files, ImageSource, Tars, find_dataset, is_inside
from nicegan.data.sampler import Share, crop, serials
from nicegan.data.tar import refuse_broken_shards
from nicegan.errors import DataError
from nicegan.shapes import Batch

NUM_SAMPLES = 4  # images a domain in a sample grid
DETOUR = 0x9E3779B97F4A7C15  # added to the seed after a rollback; any large odd number would do
NUM_SUMMED = 16  # images a domain whose pixels tell a data set from a changed one
NUM_SCORED = 64  # images a domain in a score

Progress = Callable[[str, int, int], None]  # what, done, total


class DataSettings(Protocol):
    """What of a run's configuration says which images a step takes."""

    @property
    def data(self) -> Path | None: ...
    @property
    def domain_a(self) -> str | None: ...
    @property
    def domain_b(self) -> str | None: ...
    @property
    def skip_broken(self) -> bool: ...
    @property
    def value_range(self) -> str: ...
    @property
    def size(self) -> Size: ...
    @property
    def load_size(self) -> Size: ...
    @property
    def crop_margin(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def accumulate(self) -> int: ...


class TrainingData:
    """Batches by step, and the fixed images of samples and scores.

    Raises:
        DataError: places or images that cannot be used; every broken file among the images to train on and to score
            is listed, and so is every broken local shard.
    """

    def __init__(self, config: DataSettings, progress: Progress, share: Share = Share()) -> None:  # noqa: B008
        self.config = config
        self.share = share
        found = find_dataset(config.data, config.domain_a, config.domain_b)
        self.without_test = [name for name, test in (("A", found.test_a), ("B", found.test_b)) if test is None]
        self.folders = [source.named for source in found if isinstance(source, Files)]
        train = {"images of A": found.train_a, "images of B": found.train_b}
        test = {"test images of A": found.test_a or found.train_a, "test images of B": found.test_b or found.train_b}
        refuse_broken_shards([url for source in found if isinstance(source, Tars) for url in source.urls])
        sources = {**train, **{name: source for name, source in test.items() if source not in train.values()}}
        self.value_range, found_values = _resolved_range(config.value_range, list(sources.values()))
        passed_over = [source.note for source in sources.values() if isinstance(source, Files) and source.note]
        self.notes = [*passed_over, *found_values]
        stores = self._open_files(train, test, progress)
        self._refuse_broken(stores, sum(len(source.paths) for source in found if isinstance(source, Files)))
        self.sources = self._open_sources(found, stores, progress)
        scored = (self._scored(what, source, stores, progress) for what, source in test.items())
        self.scored = Batch(*(to_network(torch.from_numpy(np.array(pixels))) for pixels in scored))

    @property
    def per_process(self) -> int:
        """Images of each domain that one process samples in a step."""
        return self.config.batch_size * self.config.accumulate

    def batch(self, samples_seen: int, device: torch.device, detour: int = 0) -> Batch:
        """Return the images of one step, cropped, flipped and scaled to [-1, 1]; each `detour` is another order.

        Raises:
            DataError: tar shards that cannot be read, or a broken image in one.
        """
        seed, wanted, margin = self._seed(detour), self._serials(samples_seen), self.config.crop_margin
        sides = (
            cropped(source.sample(seed, wanted), [crop(seed, domain, k, margin) for k in wanted], self.config.size)
            for domain, source in enumerate(self.sources)
        )
        return Batch(*(to_network(side.to(device, non_blocking=True)) for side in sides))

    def names(self, samples_seen: int, detour: int = 0) -> dict[str, list[str]]:
        """Return the files, or members of shards, that `batch` takes, by domain."""
        wanted = self._serials(samples_seen)
        return {name: source.names(self._seed(detour), wanted) for name, source in zip("AB", self.sources, strict=True)}

    def samples(self, device: torch.device) -> Batch:
        """Return the images of the sample grids."""
        return Batch(*(images[:NUM_SAMPLES].to(device) for images in self.scored))

    def refuse_inside(self, out: Path) -> None:
        """Raise DataError if a run folder lies among the images: its samples would be trained on."""
        for folder in self.folders:
            if is_inside(out, folder):
                raise DataError(f"{out} lies in the images of {folder}: its samples would be trained on; move one")

    def described(self) -> str:
        """Return what there is to train on: "771 images of A and 1264 of B", "12 shards of A and 80 images of B"."""
        a, b = (source.amount for source in self.sources)
        what = "" if a.what == b.what else f" {b.what}{'s' * (b.num != 1)}"
        return f"{a.num} {a.what}{'s' * (a.num != 1)} of A and {b.num}{what} of B"

    @cached_property
    def identity(self) -> str:
        """What tells these training images from others, wherever they lie: how many there are, and a sum of names."""
        names = ["\0".join(Path(origin).name for origin in source.origins) for source in self.sources]
        return f"{self.described()}, {zlib.crc32(chr(1).join(names).encode(errors='surrogateescape')):08x}"

    @cached_property
    def contents(self) -> str:
        """What tells these training images from others of the same names: a sum of file sizes and of a few pixels."""
        total = 0
        for source in self.sources:
            sizes = [os.stat(origin).st_size for origin in source.origins if not is_url(origin)]
            total = zlib.crc32(repr(sizes).encode(), total)
            if isinstance(source, CachedImages):
                total = zlib.crc32(np.stack(source.sample(0, range(NUM_SUMMED))).tobytes(), total)
        return f"{total:08x}"

    def position(self) -> dict[str, Any]:
        """Where the streamed domains go on reading, as plain data: {} or {"A": {"serial_of_window": 0, ...}}."""
        positions = zip("AB", (source.position() for source in self.sources), strict=True)
        return {name: position for name, position in positions if position}

    def restore(self, position: dict[str, Any]) -> None:
        """Go on reading where `position` said; what is sampled is the same without it, but is found later.

        Raises:
            DataError: the shards are others than they were.
        """
        for name, source in zip("AB", self.sources, strict=True):
            if name in position:
                source.restore(position[name])

    def close(self) -> None:
        """Stop threads and close files."""
        for source in self.sources:
            source.close()

    def _serials(self, samples_seen: int) -> range:
        return serials(samples_seen, self.share, self.per_process)

    def _seed(self, detour: int) -> int:
        return (self.config.seed + detour * DETOUR) % 2**63

    def _open_files(
        self, train: dict[str, ImageSource], test: dict[str, ImageSource], progress: Progress
    ) -> dict[str, ImageStore]:
        """Return the decoded images of every source that holds files."""
        config = self.config
        paths = {what: (source.paths, config.load_size) for what, source in train.items() if isinstance(source, Files)}
        paths |= {
            what: (evenly_chosen(source.paths, NUM_SCORED), config.size)
            for what, source in test.items()
            if isinstance(source, Files)
        }
        levels = levels_of(self.value_range)
        return {
            what: open_images(some, size, levels=levels, progress=partial(progress, what))
            for what, (some, size) in paths.items()
        }

    def _open_sources(self, found: Dataset, stores: dict[str, ImageStore], progress: Progress) -> tuple[Source, ...]:
        """Return a source a domain; the first image of shards is decoded, so that what cannot work is said at once."""
        config, sources = self.config, []
        for domain, (name, source) in enumerate({"A": found.train_a, "B": found.train_b}.items()):
            what = f"images of {name}"
            if isinstance(source, Files):
                sources.append(CachedImages(stores[what], domain))
                continue
            ignore_image_warnings()
            report = partial(progress, what)
            first_images(source, 1, config.load_size, skip_broken=config.skip_broken, progress=report)
            reading = Reading(config.seed, domain, config.load_size, config.skip_broken)
            sources.append(StreamedImages(source.urls, reading, self.share.num_ranks))
        return tuple(sources)

    def _scored(self, what: str, source: ImageSource, stores: dict[str, ImageStore], progress: Progress) -> Pixels:
        """Return images for the score: of files at equal distances, of shards the first ones."""
        if isinstance(source, Files):
            return stores[what].pixels
        config, report = self.config, partial(progress, what)
        return first_images(source, NUM_SCORED, config.size, skip_broken=config.skip_broken, progress=report)

    def _refuse_broken(self, stores: dict[str, ImageStore], count: int) -> None:
        """All broken images at once, unless they are to be skipped and leave something to train on."""
        broken = {name: reason for store in stores.values() for name, reason in store.broken.items()}
        if broken and not self.config.skip_broken:
            way_out = "repair or remove them, or train without them: --skip-broken"
            raise DataError(f"{len(broken)} of {count} images cannot be read; {way_out}\n{listing(broken)}")
        for what, store in stores.items():
            if not store.names:
                raise DataError(f"none of the {what} can be read\n{listing(store.broken)}")


def _resolved_range(asked: str, sources: list[ImageSource]) -> tuple[str, list[str]]:
    """Return the range that values of 16-bit images are read in, and what a user should know of it.

    Raises:
        DataError: a range for tar shards, which are read in the full one.
    """
    if asked not in ("auto", "full") and any(isinstance(source, Tars) for source in sources):
        raise DataError("--value-range is for images in folders and lists: tar shards are read from 0 to 65535")
    paths = [path for source in sources if isinstance(source, Files) for path in source.paths]
    depth = shallow_depth(paths) if asked in ("auto", "full") else None
    if asked == "auto":
        said = [f"warning: {depth}: they are read as {depth.value_range} (--value-range)"] if depth else []
        return (depth.value_range if depth else "full"), said
    said = [f"warning: {depth}, and are read as nearly black: see --value-range"] if depth else []
    return asked, said
