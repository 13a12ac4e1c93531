"""How a translation is written: its format, its quality, its colour profile, and what of its source's EXIF it keeps."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from nicegan.data.cache import Pixels
from nicegan.data.colour import from_srgb, srgb_bytes
from nicegan.data.folders import FORMATS
from nicegan.errors import DataError

OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM}
LOSSY = {".jpg", ".jpeg", ".jfif", ".webp"}  # inputs whose outputs have the same format
WITH_EXIF = {".jpg", ".jpeg", ".jfif", ".webp", ".png"}
WITHOUT_PROFILE = {".bmp"}
DESCRIPTION, DATE, EXIF_IFD, DATE_TAKEN = 0x010E, 0x0132, 0x8769, 0x9003


class Writing(NamedTuple):
    """How to write translations.

    Args:
        image_format: suffix without its dot; None follows a lossy input, and is PNG for all others.
        quality: of JPEG and WebP, 1 to 100; colours have full resolution.
        keep_profile: write in the source's colour space, not in sRGB.
    """

    image_format: str | None = "png"
    quality: int = 95
    keep_profile: bool = False

    def suffix(self, source: Path) -> str:
        """Return the suffix of the translation of a file."""
        if self.image_format:
            return f".{self.image_format}"
        return source.suffix if source.suffix.lower() in LOSSY else ".png"

    def write(self, target: Path, pixels: Pixels, source: Path) -> DataError | None:
        """Write an image (h, w, 3) in sRGB; return what its format or its name did not allow.

        Raises:
            OSError: the disk takes no more.
        """
        image, profile = Image.fromarray(pixels), srgb_bytes()
        exif, own = _metadata(source)
        if self.keep_profile and own and (converted := from_srgb(image, own)) is not None:
            image, profile = converted, own
        suffix = target.suffix.lower()
        options: dict[str, Any] = {} if suffix in WITHOUT_PROFILE else {"icc_profile": profile}
        if suffix in LOSSY:
            options |= {"quality": self.quality}
        if suffix in LOSSY and suffix != ".webp":
            options |= {"subsampling": 0}
        if suffix in WITH_EXIF and len(exif):
            options |= {"exif": exif.tobytes()}
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            image.save(target, format="JPEG" if suffix == ".jfif" else None, **options)
        except (OSError, ValueError) as problem:
            if isinstance(problem, OSError) and problem.errno in OF_THE_DISK:
                raise OSError(problem.errno, problem.strerror, str(target)) from None
            return DataError(f"cannot write {target}: {getattr(problem, 'strerror', None) or problem}")
        return None


AS_PNG = Writing()


def _metadata(source: Path) -> tuple[Image.Exif, bytes | None]:
    """Return what an output keeps of its source: description and dates (never the orientation), and its profile."""
    kept = Image.Exif()
    try:
        with Image.open(source, formats=FORMATS) as image:
            found, profile = image.getexif(), image.info.get("icc_profile")
            taken = found.get_ifd(EXIF_IFD).get(DATE_TAKEN)
    except Exception:  # noqa: BLE001 - of metadata that is damaged nothing is kept; the image itself was read
        return kept, None
    kept.update({tag: found[tag] for tag in (DESCRIPTION, DATE) if found.get(tag)})
    if taken:
        kept.get_ifd(EXIF_IFD)[DATE_TAKEN] = taken
    return kept, profile
