"""Contrastive losses (van den Oord et al., 2018): each query must find its own key among the others."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nicegan.shapes import Scalar

EXCLUDED = -10.0  # similarity of a query with its own key among the negatives, as published


def patch_nce(queries: Float[Tensor, "n patches d"], keys: Float[Tensor, "n patches d"], temperature: float) -> Scalar:
    """Return the mean over patches of -log softmax of each query's own key, among all keys of its image.

    Args:
        queries: unit vectors; the gradient is theirs.
        keys: unit vectors of the same places.
        temperature: what similarities are divided by.
    """
    keys = keys.detach()
    own = (queries * keys).sum(dim=-1, keepdim=True)
    others = queries @ keys.transpose(1, 2)
    diagonal = torch.eye(others.shape[1], dtype=torch.bool, device=others.device)
    logits = torch.cat([own, others.masked_fill(diagonal, EXCLUDED)], dim=-1) / temperature
    first = torch.zeros(logits.shape[:2], dtype=torch.long, device=logits.device)
    return F.cross_entropy(logits.flatten(0, 1), first.flatten())
