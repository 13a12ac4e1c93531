"""The training images of one domain, by serial: from the cache of decoded images, or streamed from tar shards."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import NamedTuple, Protocol

import numpy as np

from nicegan.data.cache import ImageStore, Pixels, Progress
from nicegan.data.folders import SUFFIXES
from nicegan.data.places import Tars
from nicegan.data.sampler import WINDOW, sampled_index, window_order
from nicegan.data.shuffle_buffer import BrokenImage, Position, Window, WindowReader, decoded
from nicegan.data.tar import Sample, contents
from nicegan.errors import DataError

MAX_DECODERS = 8  # threads; one decodes some 200 photographs a second, more than any training step takes


class Amount(NamedTuple):
    """How much there is to train on: so many of what, "image" or "shard"."""

    num: int
    what: str


class Source(Protocol):
    """The images of a domain. What is sampled is a function of the seed and the serial alone."""

    @property
    def amount(self) -> Amount: ...

    @property
    def origins(self) -> Sequence[str]:
        """The files or shards that it draws from."""
        ...

    def sample(self, seed: int, serials: range) -> list[Pixels]:
        """Return the images of these serials, (height, width, 3) each, scaled but not cropped."""
        ...

    def names(self, seed: int, serials: range) -> list[str]:
        """Return the files or members that `sample` gives."""
        ...

    def position(self) -> dict[str, int]:
        """Where to go on reading; empty where any image can be had at once."""
        ...

    def restore(self, position: dict[str, int]) -> None:
        """Go on reading at a position of another day; only speed depends on it."""
        ...

    def close(self) -> None:
        """Stop threads and close files."""
        ...


class CachedImages:
    """Images of a folder or list, from the cache."""

    def __init__(self, store: ImageStore, domain: int) -> None:
        self._store, self._domain = store, domain

    @property
    def amount(self) -> Amount:
        return Amount(len(self._store.names), "image")

    @property
    def origins(self) -> Sequence[str]:
        return self._store.names

    def sample(self, seed: int, serials: range) -> list[Pixels]:
        return [self._store.pixels[image] for image in self._images(seed, serials)]

    def names(self, seed: int, serials: range) -> list[str]:
        return [self._store.names[image] for image in self._images(seed, serials)]

    def position(self) -> dict[str, int]:
        return {}

    def restore(self, position: dict[str, int]) -> None:
        pass

    def close(self) -> None:
        pass

    def _images(self, seed: int, serials: range) -> list[int]:
        return [sampled_index(seed, self._domain, serial, len(self._store.names)) for serial in serials]


class Reading(NamedTuple):
    """How shards are read: `seed` orders them, `size` is the height and width that images are scaled to."""

    seed: int
    domain: int
    size: tuple[int, int]
    skip_broken: bool


class Course(NamedTuple):
    """Which serials a process draws as long as nothing changes: of every `stride` the `num` that follow `first`."""

    seed: int
    first: int
    num: int
    stride: int

    def draws(self, serial: int) -> bool:
        return (serial - self.first) % self.stride < self.num


class DecodedSample(NamedTuple):
    """An image, and the sample it is of."""

    sample: Sample
    pixels: Pixels


class StreamedImages:
    """Images of tar shards, from windows of samples that a thread reads ahead, decoded by further threads.

    It holds two windows: the current one, whose images are let go as they are taken, and the next. Of each it
    keeps the images that this process draws, each at most max(height * width * 3, LARGE_BYTES) bytes.
    """

    def __init__(self, urls: Sequence[str], reading: Reading, num_ranks: int) -> None:
        self._urls, self._reading, self._num_ranks = urls, reading, num_ranks
        self._reader = WindowReader(urls, reading.seed, reading.domain, reading.size)
        self._ahead = ThreadPoolExecutor(1, "nicegan-read")
        self._decoders = ThreadPoolExecutor(min(MAX_DECODERS, os.cpu_count() or 1), "nicegan-decode")
        self._windows: dict[int, Future[Window]] = {}
        self._images: dict[int, Future[DecodedSample]] = {}  # by serial: those of the next step, being decoded
        self._course: Course | None = None  # that the windows were read for
        self._window = 0  # that was last sampled from

    @property
    def amount(self) -> Amount:
        return Amount(len(self._urls), "shard")

    @property
    def origins(self) -> Sequence[str]:
        return self._urls

    def sample(self, seed: int, serials: range) -> list[Pixels]:
        """As `Source.sample`.

        Raises:
            DataError: a shard cannot be read; or an image, and broken ones are not to be skipped.
        """
        stride = len(serials) * self._num_ranks
        course = Course(seed, serials.start % stride, len(serials), stride)
        if course != self._course:
            self._forget()
            self._course = course
        decoded = []
        for serial in serials:
            window = self._enter(course, serial)
            decoded.append(self._images.pop(serial, None) or self._decode(course, serial, window))
        self._images.clear()
        images = [image.result().pixels for image in decoded]
        self._decode_next(course, serials)
        return images

    def names(self, seed: int, serials: range) -> list[str]:
        windows = {number: self._look_up(number) for number in {serial // WINDOW for serial in serials}}
        return [str(self._decoded(seed, serial, windows[serial // WINDOW]).sample) for serial in serials]

    def position(self) -> dict[str, int]:
        """Where the window begins that the last image came from."""
        number = max(known for known in list(self._reader.known) if known <= self._window)
        return {"serial_of_window": number * WINDOW, **self._reader.known[number]._asdict()}

    def restore(self, position: dict[str, int]) -> None:
        """Go on reading at a position that `position` gave.

        Raises:
            DataError: there are fewer shards now.
        """
        self._forget()
        saved = {name: position[name] for name in Position._fields}
        if saved["shard"] >= len(self._urls):
            raise DataError(
                f"the run was saved in shard {saved['shard'] + 1} of an epoch, but there are {len(self._urls)} shards "
                f"({self._urls[0]} for one): put the others back, or start a new --out"
            )
        self._window = position["serial_of_window"] // WINDOW
        self._reader.known[self._window] = Position(**saved)

    def close(self) -> None:
        self._forget()
        self._ahead.shutdown()
        self._decoders.shutdown()
        self._reader.close()

    def _enter(self, course: Course, serial: int) -> Window:
        """Return the window of a serial, once it is read; has the next one read, and lets go of earlier ones."""
        self._window = number = serial // WINDOW
        if number not in self._windows:
            self._forget()
            self._windows[number] = self._read(course, number, serial)
        window = self._windows[number].result()
        for other in [other for other in self._windows if other < number]:
            del self._windows[other]
        if number + 1 not in self._windows:
            self._windows[number + 1] = self._read(course, number + 1, (number + 1) * WINDOW)
        return window

    def _decode(self, course: Course, serial: int, window: Window) -> Future[DecodedSample]:
        return self._decoders.submit(self._decoded, course.seed, serial, window)

    def _decode_next(self, course: Course, serials: range) -> None:
        """Have the images of the next step decoded, as far as their windows are there."""
        for serial in range(serials.start + course.stride, serials.stop + course.stride):
            window = self._windows.get(serial // WINDOW)
            if window and window.done() and not window.exception():
                self._images[serial] = self._decode(course, serial, window.result())

    def _read(self, course: Course, number: int, first: int) -> Future[Window]:
        """Have a window read, with the images that this process draws from serial `first` on."""
        order = window_order(course.seed, self._reading.domain, number)
        own = {order[k % WINDOW] for k in range(first, (number + 1) * WINDOW) if course.draws(k)}
        return self._ahead.submit(self._reader.read, number, own)

    def _decoded(self, seed: int, serial: int, window: Window) -> DecodedSample:
        """Return the image of a serial; if that is broken and to be skipped, the next of its window that is not."""
        number, turn = divmod(serial, WINDOW)
        order = window_order(seed, self._reading.domain, number)
        for index in order[turn:] + order[:turn]:
            if index in window.broken:
                continue
            try:
                return DecodedSample(window.samples[index], window.image(index, self._reading.size))
            except BrokenImage as problem:
                if not self._reading.skip_broken:
                    raise _unreadable(window.samples[index], problem) from None
                window.broken.add(index)
        sample = window.samples[order[turn]]
        raise DataError(f"none of the {WINDOW} images around {sample.name!r} in {sample.url} can be read")

    def _look_up(self, number: int) -> Window:
        """Return a window, without disturbing what is read ahead."""
        if number in self._windows:
            return self._windows[number].result()
        apart = WindowReader(self._urls, self._reading.seed, self._reading.domain, self._reading.size)
        apart.known.update(self._reader.known)
        return apart.read(number)

    def _forget(self) -> None:
        """Call off what is read and decoded ahead."""
        under_way = [*self._windows.values(), *self._images.values()]
        self._reader.stop.set()
        for future in under_way:
            future.cancel()
        wait(under_way)
        self._windows.clear()
        self._images.clear()
        self._reader.stop.clear()


def first_images(tars: Tars, count: int, size: tuple[int, int], *, skip_broken: bool, progress: Progress) -> Pixels:
    """As `first_samples`, the images alone: (n, *size, 3)."""
    decoded = first_samples(tars, count, size, skip_broken=skip_broken, progress=progress)
    return np.stack([one.pixels for one in decoded])


def first_samples(
    tars: Tars, count: int, size: tuple[int, int], *, skip_broken: bool, progress: Progress
) -> list[DecodedSample]:
    """Return the first `count` images of shards in the order of their names, or all if there are fewer.

    Raises:
        DataError: a shard cannot be read or none holds an image; or an image is broken, and not to be skipped.
    """
    images: list[DecodedSample] = []
    for sample, content in itertools.islice(contents(tars.urls), WINDOW):
        try:
            images.append(DecodedSample(sample, decoded(sample, content, size)))
        except BrokenImage as problem:
            if not skip_broken:
                raise _unreadable(sample, problem) from None
        progress(len(images), count)
        if len(images) == count:
            break
    if not images:
        raise DataError(f"the tar shards {tars.named} hold no image that can be read ({', '.join(sorted(SUFFIXES))})")
    return images


def _unreadable(sample: Sample, reason: DataError) -> DataError:
    """Return what to say of a broken image in a shard."""
    return DataError(
        f"image {sample.name!r} in {sample.url} cannot be read: {reason}; write the shard without it, or train without "
        "such images: --skip-broken"
    )
