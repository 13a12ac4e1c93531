"""Losses that hold a translation to its source."""

import torch.nn.functional as F

from nicegan.shapes import Image, Scalar


def l1(image: Image, reference: Image) -> Scalar:
    """mean |image - reference|, in [0, 2] for images in [-1, 1]"""
    return F.l1_loss(image, reference)
