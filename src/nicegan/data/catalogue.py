"""The benchmark data sets by name: where each comes from, what its archive must be, and where a fetched set is kept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator

from nicegan.config import whole_path
from nicegan.data.cache_entries import cache_folder
from nicegan.errors import ConfigError
from nicegan.nearest import did_you_mean

SPLITS = ("trainA", "trainB", "testA", "testB")
RECORD = "source.json"  # in the folder of a fetched set
WORK = ".downloads"  # beside the sets: archives that are not whole or not unpacked yet

_BERKELEY = "https://people.eecs.berkeley.edu/~taesung_park/CycleGAN/datasets/{}.zip"
_BERKELEY_MIRROR = "http://efrosgans.eecs.berkeley.edu/cyclegan/datasets/{}.zip"
_IMAGENET = "photographs from ImageNet, whose terms are for non-commercial research"
_FLICKR = "photographs from Flickr, whose rights stay with the photographers"
_PAINTINGS = "paintings from WikiArt and photographs from Flickr, whose rights stay with their owners"


class KnownSet(NamedTuple):
    """A data set that can be fetched by name.

    Args:
        urls: of its archive; the second and later ones are mirrors.
        source: whose the images are, and their licence.
        num_bytes, sha256: of the archive; None if not known to us.
        counts: images in trainA, trainB, testA and testB; None if not known to us.
        holds_out: the training images are those that are not among the test images.
    """

    name: str
    urls: tuple[str, ...]
    source: str
    num_bytes: int | None = None
    sha256: str | None = None
    counts: tuple[int, int, int, int] | None = None
    holds_out: bool = False


class Content(NamedTuple):
    """The number of files in each split of a dataset folder, and the bytes of all of them."""

    counts: dict[str, int]
    num_bytes: int


class FetchedSet(NamedTuple):
    """A fetched set's folder, and what its record says was unpacked into it."""

    folder: Path
    content: Content

    def damage(self) -> str | None:
        """Return how the images differ from those that were unpacked; None if they do not."""
        before, now = self.content, measure(self.folder)
        if missing := sum(max(before.counts[split] - now.counts[split], 0) for split in SPLITS):
            return f"{missing:,} of its {sum(before.counts.values()):,} images are missing"
        return None if now == before else "its images are others"


def _berkeley(
    name: str, num_bytes: int, sha256: str, source: str, counts: tuple[int, int, int, int] | None = None
) -> KnownSet:
    urls = _BERKELEY.format(name), _BERKELEY_MIRROR.format(name)
    return KnownSet(name, urls, f"{source}; the makers of the set state no licence", num_bytes, sha256, counts)


_SETS = (
    KnownSet(
        "cat2dog",
        ("http://vllab.ucmerced.edu/hylee/DRIT/datasets/cat2dog.zip",),
        "photographs of cats and dogs; the makers of the set state no licence",
        counts=(771, 1264, 100, 100),
        holds_out=True,
    ),
    _berkeley(
        "horse2zebra",
        116_867_962,
        "a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1",
        _IMAGENET,
        (1067, 1334, 120, 140),
    ),
    _berkeley(
        "summer2winter_yosemite",
        132_640_856,
        "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9",
        _FLICKR,
        (1231, 962, 309, 238),
    ),
    _berkeley(
        "vangogh2photo",
        306_590_349,
        "362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff",
        f"{_PAINTINGS}; testA holds the paintings of trainA again",
        (400, 6287, 400, 751),
    ),
    _berkeley(
        "apple2orange",
        78_456_409,
        "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8",
        _IMAGENET,
        (995, 1019, 266, 248),
    ),
    _berkeley(
        "monet2photo",
        305_231_073,
        "88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04",
        _PAINTINGS,
    ),
    _berkeley(
        "cezanne2photo",
        279_885_071,
        "3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff",
        _PAINTINGS,
    ),
    _berkeley(
        "ukiyoe2photo",
        292_946_532,
        "02a2a2fb5ecf425ca1bf86aca7304377da64a2a1d3b86df54eb65e4068bf3b08",
        _PAINTINGS,
    ),
    _berkeley(
        "maps",
        1_476_754_427,
        "639534f69dbf9f36bef8d6292a7698006361221f83f0285d7c9ca78afe6e8a9e",
        "views and maps from Google Maps, whose rights stay with their owners",
    ),
    _berkeley(
        "facades",
        35_135_868,
        "9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0",
        "facades and their labels from the CMP Facade Database, which has terms of its own",
    ),
    _berkeley(
        "iphone2dslr_flower",
        339_964_458,
        "8fcb5e374d631b107e1d961b8c4cd0a186aa2a4ff3e279923f4c426128de7113",
        _FLICKR,
    ),
)
CATALOGUE = {known.name: known for known in _SETS}


def known_set(name: str) -> KnownSet:
    """Return the known set of this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in CATALOGUE:
        hint = did_you_mean(name, CATALOGUE) or f"; there is {', '.join(CATALOGUE)}"
        raise ConfigError(f"there is no data set {name!r}{hint}")
    return CATALOGUE[name]


def datasets_folder() -> Path:
    """Return where fetched sets are kept: NICEGAN_DATA, or datasets in the cache."""
    return whole_path(Path(os.environ.get("NICEGAN_DATA") or cache_folder() / "datasets"))


def read_record(folder: Path) -> FetchedSet | None:
    """Return what was fetched into a folder; None if nothing was, or its record cannot be read."""
    try:
        record: Any = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        counts = {split: int(record["images"][split]) for split in SPLITS}
        return FetchedSet(folder, Content(counts, int(record["bytes"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def measure(folder: Path) -> Content:
    """Return what is in the splits of a dataset folder."""
    there = {split: folder / split for split in SPLITS if (folder / split).is_dir()}
    sizes = {
        split: [
            entry.stat().st_size for entry in os.scandir(path) if entry.is_file() and not _is_left_there(entry.name)
        ]
        for split, path in there.items()
    }
    counts = {split: len(sizes.get(split, [])) for split in SPLITS}
    return Content(counts, sum(map(sum, sizes.values())))


def _is_left_there(name: str) -> bool:
    """Return whether file managers leave such files in folders: .DS_Store, Thumbs.db."""
    return name.startswith(".") or name.lower() in ("thumbs.db", "desktop.ini")


def named_folder(path: Path) -> Path:
    """Return the folder of a fetched set if this is its name, else the path as it is.

    A folder of that name in the working directory comes first.
    """
    if str(path) not in CATALOGUE or path.is_dir():
        return path
    folder = datasets_folder() / path
    return folder if read_record(folder) else path


def not_a_folder(path: Path) -> str:
    """Return what to say of a dataset folder that is not there, in a line: its name may be that of a known set."""
    if not _is_bare(path):
        return f"{path} is not a folder"
    if path.name in CATALOGUE:
        return f"{path} is not a folder, and the data set {path.name} is not here{way_to_get(path)}"
    hint = did_you_mean(path.name, CATALOGUE) or " (nicegan data list shows which there are)"
    return f"{path} is not a folder, and there is no data set {path.name!r}{hint}"


def way_to_get(path: Path) -> str:
    """Return "; nicegan data get NAME fetches it" if the path is the name of a known set, else nothing."""
    return f"; nicegan data get {path.name} fetches it" if path.name in CATALOGUE and _is_bare(path) else ""


def _is_bare(path: Path) -> bool:
    """Return whether the path may be the name of a set: written without a folder, or once found among the fetched."""
    return path.parent in (Path(), Path.cwd()) or (path.name in CATALOGUE and path.parent == datasets_folder())


DatasetPath = Annotated[Path, AfterValidator(named_folder)]  # a dataset folder, or the name of a fetched set
WholeDatasetPath = Annotated[DatasetPath, AfterValidator(whole_path)]
