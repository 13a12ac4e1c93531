"""The network whose features images are compared on: any TorchScript file, or the one that the FID is defined on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from nicegan.config import FULL_LEVELS, INCEPTION, Levels, Size
from nicegan.data.cache import Progress
from nicegan.data.cache_entries import cache_folder
from nicegan.device import full_precision, use_device
from nicegan.download import Downloaded, download, sha256_of
from nicegan.errors import DataError, is_out_of_memory

INCEPTION_URL = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt"
INCEPTION_FEATURES, INCEPTION_SIDE = 2048, 299  # numbers an image, pixels
Resize = Literal["paper", "clean", "none"]


class NetworkFacts(NamedTuple):
    """What a score must say of the network it was taken on, and of how images came to it.

    `size` is the height and width that all images are brought to first; None leaves each its own. `levels` are the
    values of 16-bit images that are black and white.
    """

    name: str
    sha256: str
    resize: Resize
    is_inception: bool
    size: Size | None = None
    levels: Levels = FULL_LEVELS

    def frechet_name(self) -> str:
        """FID on the network that it is defined on, else FD."""
        return "FID" if self.is_inception else "FD"

    def kernel_name(self) -> str:
        """KID on the network that it is defined on, else KD."""
        return "KID" if self.is_inception else "KD"


class FeatureNetwork:
    """Images in, one row of features an image out.

    Args:
        module: a loaded TorchScript module.
        facts: what it is.
        device: where it is.
        notes: what a user should know of its origin.
    """

    def __init__(
        self, module: torch.jit.ScriptModule, facts: NetworkFacts, device: torch.device, notes: Sequence[str] = ()
    ) -> None:
        self.module = module
        self.facts = facts
        self.device = device
        self.notes = list(notes)
        names = [argument.name for argument in module.forward.schema.arguments]  # pyright: ignore[reportFunctionMemberAccess]
        self._settings = {"return_features": True} if "return_features" in names else {}

    @torch.no_grad()
    def __call__(self, images: Float[Tensor, "n 3 h w"] | UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Features in float32, on the CPU.

        Args:
            images: RGB in 0..255.

        Raises:
            DataError: the network does not take such images, or gives something else than n rows of finite numbers.
        """
        name, size = self.facts.name, "x".join(map(str, images.shape[2:]))
        try:
            with _without_deprecation(), full_precision():
                features = self.module(images.to(self.device), **self._settings)
        except (RuntimeError, TypeError, torch.jit.Error) as problem:
            if is_out_of_memory(problem):
                raise
            reason = str(problem).strip().splitlines()[-1:] or [type(problem).__name__]
            raise DataError(f"feature network {name} fails on {len(images)} images of {size}: {reason[0]}") from None
        return self._checked(features, len(images), size)

    def _checked(self, features: object, count: int, size: str) -> Tensor:
        name = self.facts.name
        if not isinstance(features, Tensor) or not features.is_floating_point():
            kind = str(features.dtype) if isinstance(features, Tensor) else type(features).__name__
            raise DataError(f"feature network {name} gives {kind}, not a tensor of floating-point features")
        shape = tuple(features.shape)
        if len(shape) != 2 or shape[0] != count or shape[1] == 0:
            raise DataError(
                f"feature network {name} gives {shape} for {count} images of {size}, not ({count}, d): a row for each"
            )
        if self.facts.is_inception and shape[1] != INCEPTION_FEATURES:
            raise DataError(f"{name} gives {shape[1]} features, not {INCEPTION_FEATURES}: it is not the FID's network")
        if not features.isfinite().all():
            raise DataError(f"feature network {name} gives NaN or infinite features for images of {size}")
        return features.float().cpu()


def load_feature_network(
    features: str | Path,
    resize: Resize | None = None,
    device: str = "auto",
    progress: Progress = lambda done, total: None,
) -> FeatureNetwork:
    """Return the feature network of this name.

    Args:
        features: "inception", which is downloaded at its first use, or a TorchScript file.
        resize: how images come to 299x299: "paper" (bilinear, no antialiasing) or "clean" (antialiased bicubic); "none"
            leaves that to the network. None: "paper" for inception, "none" for other files.
        progress: told how many of how many bytes are downloaded.

    Raises:
        DataError: there is no such file, it cannot be downloaded, or it is not TorchScript.
    """
    used = use_device(device)
    if str(features) == INCEPTION:
        found = inception_file(progress)
        note = f"{INCEPTION_URL} could not be verified (no checksum is known): its SHA-256, {found.sha256}, is recorded"
        facts = NetworkFacts("Inception (2015-12-05)", found.sha256, resize or "paper", is_inception=True)
        way_out = f"remove it and {found.path.name}.sha256 beside it, to download it anew"
        return FeatureNetwork(_load(found.path, used, way_out), facts, used, [] if found.verified else [note])
    path = Path(features)
    if not path.is_file():
        raise DataError(f"there is no feature network {str(features)!r}: name a TorchScript file, or {INCEPTION}")
    facts = NetworkFacts(path.stem, sha256_of(path), resize or "none", is_inception=False)
    way_out = "save one with torch.jit.script(network).save(path)"
    return FeatureNetwork(_load(path, used, way_out), facts, used)


def inception_file(progress: Progress = lambda done, total: None) -> Downloaded:
    """Return the FID's network in the cache, downloaded if it is not there."""
    path = cache_folder() / "networks" / INCEPTION_URL.rpartition("/")[2]
    return download(INCEPTION_URL, path, progress=progress)


def _load(path: Path, device: torch.device, way_out: str) -> torch.jit.ScriptModule:
    try:
        with _without_deprecation():
            module = torch.jit.load(path, map_location=device).eval()
    except (RuntimeError, ValueError) as problem:
        if is_out_of_memory(problem):
            raise
        reason = (str(problem).strip().splitlines() or [type(problem).__name__])[0][:160]
        raise DataError(f"{path} cannot be read as TorchScript ({reason}): {way_out}") from None
    if not hasattr(module, "forward") or not hasattr(module.forward, "schema"):
        raise DataError(f"{path} is a TorchScript file without forward(images): {way_out}")
    return module


def _without_deprecation() -> warnings.catch_warnings:
    """Within: no word of TorchScript's deprecation; its files are what feature networks are shared as."""
    return warnings.catch_warnings(action="ignore", category=DeprecationWarning)
