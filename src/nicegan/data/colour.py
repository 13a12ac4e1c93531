"""Colour profiles: what is stored in another colour space than sRGB is read into sRGB, and written back if wanted."""

from __future__ import annotations

import io
import struct
from functools import cache

from PIL import Image, ImageCms

INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
SPACES = {"RGB ": ("RGB",), "GRAY": ("L",), "CMYK": ("CMYK",)}  # of profiles -> modes of Pillow
MADE_AT = slice(24, 36)  # of an ICC header: year, month, day, hour, minute, second
MADE_AT_1970 = struct.pack(">6H", 1970, 1, 1, 0, 0, 0)
UNUSABLE = (ImageCms.PyCMSError, OSError, ValueError, TypeError)


@cache
def srgb() -> ImageCms.ImageCmsProfile:
    """Return the profile of sRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@cache
def srgb_bytes() -> bytes:
    """Return the profile of sRGB as files embed it."""
    profile = bytearray(srgb().tobytes())
    profile[MADE_AT] = MADE_AT_1970  # otherwise files made twice would differ
    return bytes(profile)


def to_srgb(image: Image.Image) -> Image.Image:
    """Return an image of 8 bits in RGB, grey or CMYK as sRGB, by its embedded profile; as it is without one.

    A profile that is damaged, or of another colour space than the image, is passed over.
    """
    profile = embedded(image)
    if profile is None or image.mode not in SPACES.get(_space(profile), ()):
        return image
    try:
        converted = ImageCms.profileToProfile(image, profile, srgb(), INTENT, "RGB", flags=FLAGS)
    except UNUSABLE:
        return image
    return image if converted is None else converted


def from_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Return an sRGB image in the colour space of an RGB profile; None where that cannot be."""
    try:
        target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if _space(target) != "RGB ":
            return None
        return ImageCms.profileToProfile(image, srgb(), target, INTENT, "RGB", flags=FLAGS)
    except UNUSABLE:
        return None


def _space(profile: ImageCms.ImageCmsProfile) -> str:
    """Return a profile's colour space in ICC's four letters: "RGB ", "GRAY", "CMYK"."""
    return profile.profile.xcolor_space  # pyright: ignore[reportAttributeAccessIssue]


def embedded(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """Return the profile that an image carries, if it is another one than sRGB and can be read."""
    content = image.info.get("icc_profile")
    if not content:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        is_srgb = "srgb" in ImageCms.getProfileDescription(profile).lower()
    except UNUSABLE:
        return None
    return None if is_srgb else profile
