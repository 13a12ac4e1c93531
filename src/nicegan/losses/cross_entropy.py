"""Cross-entropy of logits whose sigmoid is a probability (Goodfellow et al., NeurIPS 2014): 1 is real, 0 is fake."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nicegan.shapes import Scalar


def toward(logits: Float[Tensor, "*shape"], probability: float) -> Scalar:
    """Return mean -(p log s + (1 - p) log(1 - s)), where s is the sigmoid of a logit and p is `probability`."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, probability))
