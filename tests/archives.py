"""Zip archives of data sets for tests, in the layout of the published ones, and a catalogue that names them."""

import hashlib
import io
import zipfile
from collections.abc import Iterable, Mapping

from nicegan.data.catalogue import SPLITS, KnownSet
from tests.tars import numbered

NAME = "horse2zebra"
COUNTS = (3, 4, 2, 3)


def zipped(files: Iterable[tuple[str | zipfile.ZipInfo, bytes]], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", how) as archive:
        for name, data in files:
            info = zipfile.ZipInfo(name) if isinstance(name, str) else name  # of 1980: equal files, equal bytes
            archive.writestr(info, data, how)
    return content.getvalue()


def dataset_files(name: str = NAME, counts: tuple[int, ...] = COUNTS) -> dict[str, bytes]:
    """Images that are all different, and what else archives hold: folders, a text, hidden files."""
    files = {f"{name}/": b"", f"{name}/README.txt": b"words", f"__MACOSX/{name}/trainA/._0.png": b"x"}
    for number, (split, count) in enumerate(zip(SPLITS, counts, strict=True)):
        files |= {f"{name}/{split}/{k}.png": numbered(100 * number + k) for k in range(count)}
        files[f"{name}/{split}/.DS_Store"] = b"x"
    return files


def archive_of(files: Mapping[str, bytes] | None = None) -> bytes:
    return zipped((dataset_files() if files is None else files).items())


def known_as(content: bytes, *urls: str, name: str = NAME) -> KnownSet:
    """A catalogue's entry for an archive whose checksum is known."""
    return KnownSet(name, urls, "painted", len(content), hashlib.sha256(content).hexdigest(), COUNTS)
