"""What may be added to the training of NICE-GAN: each is off unless its setting is given, and has its own source."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from nicegan.methods.base import Noise


class Draws(NamedTuple):
    """What one direction of a phase draws for the additions; nothing where they are off."""

    augmentation: Tensor | None = None


def of_directions(noise: Noise) -> tuple[Draws, Draws]:
    """Return the noise of a phase as that of A to B and of B to A."""
    middle = len(noise) // 2
    return Draws(*noise[:middle]), Draws(*noise[middle:])
