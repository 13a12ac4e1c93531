"""Averaged (EMA) weights of the networks that translate, kept beside the raw ones."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from nicegan.methods.base import TranslationModel


def averaged_copy(networks: TranslationModel) -> TranslationModel:
    """Return a copy that is never trained, to be moved by an `EmaUpdate`."""
    return copy.deepcopy(networks).requires_grad_(False)  # noqa: FBT003


class EmaUpdate:
    """Moves averaged weights towards raw ones. Both are listed once: walking the modules takes longer than the update.

    Args:
        ema: what `averaged_copy` returned.
        networks: the raw networks.
    """

    def __init__(self, ema: TranslationModel, networks: TranslationModel) -> None:
        self.averaged: list[Tensor] = list(ema.parameters())
        self.raw: list[Tensor] = list(networks.parameters())
        self.vectors, self.raw_vectors = list(ema.buffers()), list(networks.buffers())

    @torch.no_grad()
    def __call__(self, weight: float) -> None:
        """Set ema to weight * ema + (1 - weight) * raw; the vectors of spectral norms are copied."""
        torch._foreach_lerp_(self.averaged, self.raw, 1 - weight)  # pyright: ignore[reportPrivateImportUsage]
        if self.vectors:
            torch._foreach_copy_(self.vectors, self.raw_vectors)  # pyright: ignore[reportPrivateImportUsage]


def ema_weight(step: int, decay: float) -> float:
    """Return how much of the averaged weights stays at this step: `decay`, but less while few have been averaged."""
    return min(decay, (1 + step) / (10 + step))
