"""A penalty on a discriminator's slope at images (R1: Mescheder et al., ICML 2018)."""

import torch

from nicegan.shapes import Image, Logits, Scalar


def r1(logits: Logits, image: Image) -> Scalar:
    """Return 1/2 mean |dD(x)/dx|^2 over images x, where D(x) is the sum over heads of a head's mean logit.

    Args:
        logits: of each head, of the images, by layers whose gradients have gradients.
        image: what they were computed from; it requires a gradient.
    """
    heads = torch.stack([of_head.flatten(1).mean(dim=1) for of_head in logits.values()])
    (slope,) = torch.autograd.grad(heads.sum(), image, create_graph=True)
    return slope.square().flatten(1).sum(dim=1).mean() / 2
