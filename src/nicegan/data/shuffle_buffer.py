"""The endless sequence of a domain's tar shards, read window by window.

Reading a window walks over the headers of all its samples, but keeps the content only of those that are asked for: as
it lies in the shard, or decoded if it is large and that is smaller. So a window of n such images of h x w pixels holds
at most n * max(h * w * 3, LARGE_BYTES) bytes, however large the files are.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Generator, Sequence
from contextlib import closing, suppress
from threading import Event
from typing import NamedTuple

import numpy as np

from nicegan.data.cache import Pixels, scaled
from nicegan.data.folders import read_encoded
from nicegan.data.sampler import WINDOW, shard_order
from nicegan.data.tar import MAX_MEMBER_BYTES, Sample, Tar, read_content
from nicegan.errors import DataError

LARGE_BYTES = 1 << 17  # smaller content is kept as it is: decoding it early would only delay the first step
NUM_REMEMBERED = 4096  # positions of windows; each takes some 200 bytes


class Position(NamedTuple):
    """A position in the sequence: the epoch, which of its shards in the epoch's order, and the byte offset in that."""

    epoch: int = 0
    shard: int = 0
    offset: int = 0


class Found(NamedTuple):
    """A sample, where it stands in the sequence, and its shard, open while the sequence stands there."""

    position: Position
    sample: Sample
    tar: Tar


class Window(NamedTuple):
    """WINDOW consecutive samples in the order of the shards, and the content of those that will be sampled.

    `broken` are the indices of images that turned out to be unreadable.
    """

    samples: list[Sample]
    kept: dict[int, bytes | Pixels]
    broken: set[int]

    def image(self, index: int, size: tuple[int, int]) -> Pixels:
        """The image at an index in the window, at (height, width); its content is let go, and read again if need be.

        Raises:
            BrokenImage: it cannot be decoded, and never will be.
            DataError: its shard cannot be read.
        """
        content = self.kept.pop(index, None)
        return content if isinstance(content, np.ndarray) else decoded(self.samples[index], content, size)


class BrokenImage(DataError):  # noqa: N818  it is the image that is broken
    """An image that lies whole in its shard but cannot be decoded."""


class Stopped(Exception):  # noqa: N818  no error
    """Reading ahead was called off."""


def decoded(sample: Sample, content: bytes | None, size: tuple[int, int]) -> Pixels:
    """Return a sample's image at (height, width), read from its shard where its content is not given."""
    if sample.size > MAX_MEMBER_BYTES:
        raise BrokenImage(f"{sample.size:,} bytes are more than the {MAX_MEMBER_BYTES:,} that are allowed")
    content = read_content(sample) if content is None else content
    try:
        return scaled(read_encoded(content), size)
    except DataError as problem:
        raise BrokenImage(str(problem)) from None


def endless(urls: Sequence[str], seed: int, domain: int, start: Position) -> Generator[Found, None, None]:
    """Return every sample from `start` on, epoch after epoch.

    Raises:
        DataError: a shard cannot be read, or a whole epoch is without an image.
    """
    num_barren = 0
    for epoch in itertools.count(start.epoch):
        order = shard_order(seed, domain, epoch, len(urls))
        for index in range(start.shard if epoch == start.epoch else 0, len(urls)):
            offset = start.offset if (epoch, index) == (start.epoch, start.shard) else 0
            num_barren += 1
            with closing(Tar(urls[order[index]])) as tar:
                for sample in tar.samples(offset):
                    num_barren = 0
                    yield Found(Position(epoch, index, sample.header), sample, tar)
            if num_barren > len(urls):
                raise DataError(f"none of the {len(urls)} tar shards holds an image, {urls[0]} for one")


class WindowReader:
    """Reads the windows of a domain, best in order; any window can be had, from the nearest known position."""

    def __init__(self, urls: Sequence[str], seed: int, domain: int, size: tuple[int, int]) -> None:
        self.urls, self.seed, self.domain, self.size = urls, seed, domain, size
        self.known: dict[int, Position] = {0: Position()}
        self.stop = Event()
        self._sequence: Generator[Found, None, None] | None = None
        self._next = 0  # the window that the sequence comes to

    def read(self, number: int, wanted: Collection[int] = ()) -> Window:
        """Window `number`, with the content of the wanted indices.

        Raises:
            DataError: a shard cannot be read, or is not what it was when its position was saved.
            Stopped: `stop` was set meanwhile.
        """
        if self._sequence is None or self._next != number:
            self._sequence = self._samples_from(number)
        sequence, self._sequence = self._sequence, None  # until this window is whole
        window = Window([], {}, set())
        for index, found in enumerate(itertools.islice(sequence, WINDOW)):
            window.samples.append(found.sample)
            if index in wanted and found.sample.size <= MAX_MEMBER_BYTES:
                self._keep(window, index, found.tar.content(found.sample))
        self._sequence, self._next = sequence, number + 1
        return window

    def close(self) -> None:
        """Close the shard that is open, if one is."""
        if self._sequence is not None:
            self._sequence.close()
            self._sequence = None

    def _samples_from(self, number: int) -> Generator[Found, None, None]:
        """Return every sample from the first of window `number` on; remembers where windows begin."""
        nearest = max(known for known in self.known if known <= number)
        start = self.known[nearest]
        for count, found in enumerate(endless(self.urls, self.seed, self.domain, start)):
            if self.stop.is_set():
                raise Stopped
            if count == 0 and start.offset and found.position != start:
                raise DataError(
                    f"tar shard {found.sample.url} has no image where there was one when the run was saved: put the "
                    "shards back as they were, or start a new --out"
                )
            if count % WINDOW == 0:
                self._remember(nearest + count // WINDOW, found.position)
            if count >= (number - nearest) * WINDOW:
                yield found

    def _remember(self, number: int, position: Position) -> None:
        self.known[number] = position
        if len(self.known) > NUM_REMEMBERED:
            del self.known[min(known for known in self.known if known)]

    def _keep(self, window: Window, index: int, content: bytes) -> None:
        height, width = self.size
        if len(content) <= max(height * width * 3, LARGE_BYTES):
            window.kept[index] = content
            return
        with suppress(BrokenImage):  # it is read again when it is sampled, and then spoken of
            window.kept[index] = decoded(window.samples[index], content, self.size)
