"""Which styles the outputs of a model with styles have: random ones, or that of an example."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from nicegan.config import MethodConfig, Size
from nicegan.inference.translator import Translator
from nicegan.methods.base import HasStyles, Style
from nicegan.shapes import OTHER, DomainName, Image

SCORES_USE = "each image is translated with one random style, which its bytes and a seed decide"


class Styles(NamedTuple):
    """The styles of the outputs of each image.

    Args:
        of: returns the styles of an image file, (num_outputs, style_features).
        num_outputs: of each image.
    """

    of: Callable[[Path], Style]
    num_outputs: int = 1


def random_styles(translator: Translator, num_outputs: int = 1, seed: int = 0) -> Styles:
    """Return styles that follow from the bytes of an image's file and the seed: name, order and batch change nothing.

    The first of more outputs are those of fewer.

    Raises:
        ConfigError: the model has no styles.
    """
    translator.styled_networks()  # fails before the first image

    return Styles(lambda source: random_style(translator, source.read_bytes(), num_outputs, seed), num_outputs)


def random_style(translator: Translator, content: bytes, num_outputs: int = 1, seed: int = 0) -> Style:
    """Return the random styles of an image by the bytes of its file, (num_outputs, style_features).

    Raises:
        ConfigError: the model has no styles.
    """
    digest = hashlib.sha256(seed.to_bytes(8) + content).digest()
    return translator.random_styles(num_outputs, int.from_bytes(digest[:8]) >> 1)


def style_of_example(translator: Translator, example: Path, domain: DomainName) -> Styles:
    """Return the style of an image of `domain` for one output of each image.

    Raises:
        ConfigError: the model has no styles. DataError: the example cannot be read.
    """
    style = translator.style_of(example, domain).cpu()
    return Styles(lambda source: style)


def has_styles(method: MethodConfig, size: Size) -> bool:
    """Return whether models of a method make several translations of one image."""
    with torch.device("meta"):
        return isinstance(method.build_translation_model(size), HasStyles)


def styles_for_scores(translator: Translator, seed: int = 0) -> Styles | None:
    """Return the styles of translations that are scored (`SCORES_USE`); None for a model without styles."""
    return random_styles(translator, seed=seed) if isinstance(translator.networks, HasStyles) else None


def translate_in_styles(
    translator: Translator, image: Image, to: DomainName, styles: Float[Tensor, "n outputs style"]
) -> Float[Tensor, "outputs n 3 h w"]:
    """Return several translations of each image; each is encoded once."""
    styles = styles.to(translator.device)

    def decoded(image: Image, to: DomainName) -> Tensor:
        latent = translator.networks.encode(image, OTHER[to])
        return torch.cat([translator.networks.decode(latent, to, style) for style in styles.unbind(dim=1)])

    return translator.apply(image, to, decoded).unflatten(0, (styles.shape[1], -1))
