"""The test images of a dataset as files: those of folders and lists where they lie, those of tar shards unpacked."""

from __future__ import annotations

import os
from pathlib import Path

from nicegan.data.catalogue import named_folder, not_a_folder
from nicegan.data.folders import listing, without_image_warnings
from nicegan.data.places import ImageSource, Tars, find_split
from nicegan.data.shuffle_buffer import BrokenImage, decoded
from nicegan.data.tar import contents, refuse_broken_shards
from nicegan.errors import DataError
from nicegan.evaluation.image_set import ImageSet, refuse_one


def read_test_images(data: Path, folder: Path) -> dict[str, ImageSet]:
    """Return the test images of "A" and "B", numbered by their keys; a file that a list names twice counts once.

    Args:
        data: a dataset folder, or the name of a fetched set.
        folder: where the images of tar shards are unpacked.

    Raises:
        DataError: there are none, or a single one; or shards, or images in them, that cannot be read (all are listed).
    """
    data = named_folder(data)
    if not data.is_dir():
        raise DataError(f"{not_a_folder(data)}; name one that holds testA and testB")
    sources = {domain: find_split(data, f"test{domain}") for domain in "AB"}
    if missing := [f"test{domain}" for domain, source in sources.items() if source is None]:
        raise DataError(
            f"{data} has no images in {' and '.join(missing)}: a model is scored on held-out images, in folders testA "
            "and testB, lists testA.txt and testB.txt, or tar shards testA*.tar and testB*.tar"
        )
    return {domain: _numbered(source, folder / domain) for domain, source in sources.items() if source is not None}


def _numbered(source: ImageSource, folder: Path) -> ImageSet:
    paths = unpacked(source, folder) if isinstance(source, Tars) else list(dict.fromkeys(source.paths))
    refuse_one(paths, source.named)
    note = None if isinstance(source, Tars) else source.note
    return ImageSet(source.named, source.named, paths, [f"{number:06d}" for number in range(len(paths))], note)


def unpacked(tars: Tars, folder: Path) -> list[Path]:
    """Return the images of shards as files, byte by byte, in the shards' order.

    Files are numbered, not named like their members, whose names may lead out of the folder or clash.

    Raises:
        DataError: shards or images that cannot be read; all of a kind are listed.
    """
    refuse_broken_shards(tars.urls)
    folder.mkdir(parents=True)
    paths: list[Path] = []
    broken: dict[str, str] = {}
    with without_image_warnings():
        for sample, content in contents(tars.urls):
            try:
                decoded(sample, content, (1, 1))  # here it can still be named
            except BrokenImage as problem:
                broken[str(sample)] = str(problem)
                continue
            assert content is not None
            paths.append(folder / f"{len(paths):06d}{os.path.splitext(sample.name)[1].lower()}")
            paths[-1].write_bytes(content)
    if broken:
        raise DataError(f"{len(broken)} of {len(paths) + len(broken)} images cannot be read\n{listing(broken)}")
    if not paths:
        raise DataError(f"the tar shards {tars.named} hold no image")
    return paths
