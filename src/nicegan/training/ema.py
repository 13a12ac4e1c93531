"""Averaged (EMA) weights of the networks that translate, kept beside the raw ones."""

from __future__ import annotations

import copy

import torch

from nicegan.methods.base import TranslationModel


def averaged_copy(networks: TranslationModel) -> TranslationModel:
    """Return a copy that is never trained, to be moved by `update_ema`."""
    return copy.deepcopy(networks).requires_grad_(False)  # noqa: FBT003


@torch.no_grad()
def update_ema(ema: TranslationModel, networks: TranslationModel, weight: float) -> None:
    """Set ema to weight * ema + (1 - weight) * raw; the vectors of spectral norms are copied."""
    raw = [parameter.detach() for parameter in networks.parameters()]
    torch._foreach_lerp_(list(ema.parameters()), raw, 1 - weight)  # pyright: ignore[reportPrivateImportUsage]
    if buffers := list(ema.buffers()):
        torch._foreach_copy_(buffers, list(networks.buffers()))  # pyright: ignore[reportPrivateImportUsage]


def ema_weight(step: int, decay: float) -> float:
    """Return how much of the averaged weights stays at this step: `decay`, but less while few have been averaged."""
    return min(decay, (1 + step) / (10 + step))
