"""Features of image files: read ahead, resized as the protocol says, and kept in the cache by content."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from nicegan.config import FULL_LEVELS
from nicegan.data.cache import Progress, scaled
from nicegan.data.cache_entries import cache_folder
from nicegan.data.folders import listing, portions, read_image, without_image_warnings, workers
from nicegan.distributed import ALONE, ProcessGroup
from nicegan.errors import DataError
from nicegan.evaluation.image_set import digest_of
from nicegan.feature_network import INCEPTION_SIDE, FeatureNetwork, NetworkFacts, Resize
from nicegan.files import write_atomically
from nicegan.inference.files import of_one_size

FORMAT_VERSION = 2  # 1 passed over colour profiles
BATCH_SIZE = 16
MAX_BATCH_PIXELS = 16 * 512 * 512
Prepared = NDArray[np.uint8] | NDArray[np.float32]  # (h, w, 3), 0..255


def cached_features(
    paths: Sequence[Path],
    network: FeatureNetwork,
    progress: Progress = lambda done, count: None,
    processes: ProcessGroup = ALONE,
) -> Float[Tensor, "n d"]:
    """As `shared_features`, out of the cache if these images' features are there.

    An entry is named by the content of the images, in their order, and of the network; a damaged one is made anew.

    Raises:
        DataError: as `extract_features`, or the cache cannot be written.
    """
    name = processes.on_first(lambda: _fingerprint(paths, network.facts))
    path = cache_folder() / "features" / f"{name}.safetensors"
    features = processes.on_first(lambda: _read(path, len(paths)))
    if features is None:
        features = shared_features(paths, network, progress, processes)
        processes.on_first(partial(_write, path, features))
    return features


def shared_features(
    paths: Sequence[Path],
    network: FeatureNetwork,
    progress: Progress = lambda done, count: None,
    processes: ProcessGroup = ALONE,
) -> Float[Tensor, "n d"]:
    """As `extract_features`, each process of the processes extracting a part."""
    mine = processes.shard(paths)
    parts = processes.all_gather(processes.on_each(lambda: extract_features(mine, network, progress) if mine else None))
    if processes.size == 1 and parts[0] is not None:
        return parts[0]
    features = torch.empty(len(paths), next(part.shape[1] for part in parts if part is not None))
    for rank, part in enumerate(parts):
        if part is not None:
            features[rank :: processes.size] = part
    return features


def extract_features(
    paths: Sequence[Path], network: FeatureNetwork, progress: Progress = lambda done, count: None
) -> Float[Tensor, "n d"]:
    """Features in float32, in the order of the paths.

    Args:
        progress: told how many of how many images are done.

    Raises:
        DataError: images that cannot be read (all are listed), or a network that does not give a row for each.
    """
    rows: dict[Path, Tensor] = {}
    broken: dict[str, str] = {}
    with without_image_warnings(), workers() as pool:
        for some in portions(paths, 4 * BATCH_SIZE):
            images = dict(zip(some, pool.map(lambda path: _prepared(path, network.facts), some), strict=True))
            broken |= {str(path): str(image) for path, image in images.items() if isinstance(image, DataError)}
            whole = {path: image for path, image in images.items() if not isinstance(image, DataError)}
            for batch in of_one_size(whole, BATCH_SIZE, MAX_BATCH_PIXELS):
                pixels = torch.from_numpy(np.stack(list(batch.values()))).permute(0, 3, 1, 2)
                rows |= dict(zip(batch, network(pixels.contiguous()), strict=True))
                _check_width(rows, next(iter(batch)), network.facts.name)
            progress(len(rows) + len(broken), len(paths))
    if broken:
        raise DataError(f"{len(broken)} of {len(paths)} images cannot be read\n{listing(broken)}")
    return torch.stack([rows[path] for path in paths])


def prepare(image: Image.Image, resize: Resize) -> Prepared:
    """Return an RGB image as the feature network takes it: (h, w, 3), 0..255.

    "none": as stored, uint8. "paper": 299x299, bilinear without antialiasing, float32. "clean": 299x299, each channel
    resized by PIL's antialiased bicubic filter in float32, clipped to 0..255.
    """
    pixels = np.array(image)
    if resize == "none":
        return pixels
    size = (INCEPTION_SIDE, INCEPTION_SIDE)
    if resize == "paper":
        planes = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
        resized = F.interpolate(planes, size, mode="bilinear", align_corners=False)
        return resized[0].permute(1, 2, 0).contiguous().numpy()
    channels = [Image.fromarray(pixels[..., c].astype(np.float32)) for c in range(3)]
    return np.stack([np.asarray(c.resize(size, Image.Resampling.BICUBIC)) for c in channels], axis=-1).clip(0, 255)


def _prepared(path: Path, facts: NetworkFacts) -> Prepared | DataError:
    try:
        image = read_image(path, facts.levels)
        return prepare(Image.fromarray(scaled(image, facts.size)) if facts.size else image, facts.resize)
    except DataError as problem:
        return problem


def _check_width(rows: dict[Path, Tensor], newest: Path, name: str) -> None:
    widths = sorted({len(next(iter(rows.values()))), len(rows[newest])})
    if len(widths) > 1:
        raise DataError(
            f"feature network {name} gives {widths[0]} features for one size of image and {widths[1]} for another: "
            "bring the images to one size, with --size PIXELS or --resize paper"
        )


def _fingerprint(paths: Sequence[Path], facts: NetworkFacts) -> str:
    """Return a name for the features of these images, as they are now, on this network."""
    how = f"{facts.resize} {facts.is_inception}{f' {facts.size}' if facts.size else ''}"
    how += f" {facts.levels}" if facts.levels != FULL_LEVELS else ""
    digest = hashlib.sha256(f"{FORMAT_VERSION} {facts.sha256} {how}".encode())
    for path in paths:
        digest.update(digest_of(path))
    return digest.hexdigest()[:32]


def _write(path: Path, features: Float[Tensor, "n d"]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save({"features": features}, metadata={"sha256": _checksum(features)}))
    except OSError as problem:
        raise DataError(f"cannot write the cache {path.parent}: {problem.strerror}; set NICEGAN_CACHE") from None


def _read(path: Path, count: int) -> Float[Tensor, "n d"] | None:
    """Return the features of a cache entry; None if there is none, or a damaged one."""
    try:
        with safe_open(path, framework="pt") as file:
            features, checksum = file.get_tensor("features"), (file.metadata() or {}).get("sha256")
    except (OSError, SafetensorError):
        return None
    whole = features.ndim == 2 and len(features) == count and _checksum(features) == checksum
    return features if whole else None


def _checksum(features: Tensor) -> str:
    return hashlib.sha256(features.contiguous().numpy().tobytes()).hexdigest()
