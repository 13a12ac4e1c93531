"""CUDA streams that work beside the current one."""

from functools import cache

import torch


@cache
def second_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream of `both_ways`: one for each device, since a stream keeps memory of its own."""
    # The gradients of both streams meet in the same parameters, on purpose: autograd lets one wait for the other.
    if hasattr(torch.autograd.graph, "set_warn_on_accumulate_grad_stream_mismatch"):
        torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)  # noqa: FBT003
    return torch.cuda.Stream(device)
