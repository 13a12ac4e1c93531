"""Triton kernels for NVIDIA GPUs, each beside the plain PyTorch form that defines it.

They take what eager PyTorch does in dozens of launches, and reflection padding in channels-last order, which PyTorch
has no kernel for. Nothing outside this package imports Triton, and nothing needs it: without Triton, or without the C
compiler that it calls, the plain forms run.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

HALF_OR_SINGLE = (torch.float32, torch.bfloat16, torch.float16)


def usable(x: Tensor) -> bool:
    """Return whether kernels can work on `x`: a real tensor (not a fake one without data) on a GPU where they run."""
    return x.is_cuda and type(x) in (Tensor, nn.Parameter) and x.dtype in HALF_OR_SINGLE and problem() is None


@cache
def problem() -> str | None:
    """Return why the kernels cannot run on this machine's GPU, or None. Runs the smallest one, once per process."""
    if not torch.cuda.is_available():
        return "there is no NVIDIA GPU"
    try:
        from nicegan.nn.kernels.pad import reflect_pad

        reflect_pad(torch.zeros(1, 1, 2, 2, device="cuda"), 1)
    except Exception as failure:  # noqa: BLE001 - no Triton, no C compiler, an unknown card: all have the same answer
        return f"Triton cannot be used: {type(failure).__name__}: {' '.join(str(failure).split())[:120]}"
    return None


def described() -> str:
    """Return whether the kernels are on, and why not: "Triton kernels: off (Triton cannot be used: ...)"."""
    return f"Triton kernels: off ({problem()})" if problem() else "Triton kernels: on"
