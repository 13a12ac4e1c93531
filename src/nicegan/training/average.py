"""Averaged (EMA) weights of the networks that translate, kept beside the raw ones."""

from __future__ import annotations

import copy

import torch

from nicegan.models.domain import TranslationPaths


def averaged_copy(paths: TranslationPaths) -> TranslationPaths:
    """A copy that is never trained, to be moved by `update_average`."""
    return copy.deepcopy(paths).requires_grad_(False)  # noqa: FBT003


@torch.no_grad()
def update_average(average: TranslationPaths, paths: TranslationPaths, weight: float) -> None:
    """average <- weight * average + (1 - weight) * raw; the vectors of spectral norms are copied."""
    raw = [parameter.detach() for parameter in paths.parameters()]
    torch._foreach_lerp_(list(average.parameters()), raw, 1 - weight)  # pyright: ignore[reportPrivateImportUsage]
    for kept, current in zip(average.buffers(), paths.buffers(), strict=True):
        kept.copy_(current)
