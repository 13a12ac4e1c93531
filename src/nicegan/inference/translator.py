"""A trained model from Python: translate images of any size, and see where it looks."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nicegan.config import Size, as_size, levels_of, next_multiple
from nicegan.device import Machine, set_up_machine
from nicegan.errors import ConfigError, InputError
from nicegan.inference.choice import read_model
from nicegan.inference.inputs import read_input
from nicegan.inference.memory import TILE, fits
from nicegan.inference.tiling import reach_of, translate_tiles
from nicegan.methods.base import HasHeatmap, HasStyles, Style
from nicegan.model_file import Model
from nicegan.shapes import OTHER, DomainName

SMALLEST_TILE = 64  # pixels


class Padded(NamedTuple):
    """Images at a size that the networks take, and where in them the images themselves begin."""

    images: Tensor
    top: int
    left: int


class Translator:
    """A trained model, ready to translate.

    Args:
        model: as read by `nicegan.model_file.load_model`.
        machine: where to compute, and in which precision.
        tile: side in pixels of the tiles in which larger images are translated, with the result of the whole; None
            takes tiles only for images that do not fit in memory as a whole.
    """

    def __init__(self, model: Model, machine: Machine, tile: int | None = None) -> None:
        self.spec = model.spec
        self.machine = machine
        self.tile = tile
        self.passing: dict[Size, int] = {}  # the bytes of a pass, as far as they are known
        self.sizes = model.spec.method.translation_sizes(model.spec.image_size)
        exact = self.sizes.exact
        if tile is not None and (exact or tile < SMALLEST_TILE):
            problem = f"it takes {as_size(exact)} only" if exact else f"give {SMALLEST_TILE} pixels or more"
            raise ConfigError(f"tile {tile} does not fit this model: {problem}")
        self.device = machine.device
        self.networks = model.networks.to(machine.device).eval().requires_grad_(False)  # noqa: FBT003

    def __repr__(self) -> str:
        height, width = self.spec.image_size
        trained = f"trained at {height}x{width} pixels for {self.spec.step:,} steps"
        return f"Translator({self.spec.method.title}, {self.spec.method.summary()}, {trained}, on {self.machine})"

    def translate(self, image: Any, to: DomainName, style: Any = None) -> Any:
        """Translate images of one domain into the other.

        Args:
            image: a PIL image of any mode and size (its EXIF orientation is honoured), the path of one, an array
                (h, w, 3) or (n, h, w, 3) of uint8 in RGB, a tensor (n, 3, h, w) or (3, h, w) in RGB from -1 to 1, or a
                list of these.
            to: the domain to translate into, "A" or "B"; the image is taken to be of the other one.
            style: for a model with styles, what `style_of` or `random_styles` returned, as a tensor or an array: one
                style (style_features,), or a row for each image of an array or a tensor. None is the zero style, the
                mean of the random ones.

        Returns:
            The same kind and size: an RGB PIL image (of a path as well), an array, a tensor in [-1, 1] on the model's
            device, or a list.

        Raises:
            InputError: another kind of input, or values outside its range; it is a TypeError.
            ConfigError: no such domain, a style for a model without styles, or a size that the model cannot take (only
                with a flat style summary).
        """
        if style is None:
            return self._as_given(image, to, self.networks.translate)
        rows = self._rows(style)

        def in_style(images: Tensor, to: DomainName) -> Tensor:
            if len(rows) not in (1, len(images)):
                raise InputError(f"{len(rows)} styles do not fit {len(images)} images: give one, or one for each image")
            return self.networks.translate(images, to, rows)

        return self._as_given(image, to, in_style)

    def style_of(self, image: Any, domain: DomainName) -> Style:
        """Return the style of images, (n, style_features), for `translate`.

        Args:
            image: as in `translate`, of the domain `domain`; of a list the styles of all follow each other.
            domain: the image's own domain, "A" or "B".

        Raises:
            ConfigError: the model has no styles, or as `translate`.
        """
        networks, domain = self.styled_networks(), _known(domain)
        if isinstance(image, list | tuple):
            return torch.cat([self.style_of(one, domain) for one in image])
        images = read_input(image, levels_of(self.spec.value_range)).images
        with torch.no_grad(), self.machine.autocast():
            return networks.encode_style(self._padded(images).images, domain).float()

    def random_styles(self, count: int, seed: int = 0) -> Style:
        """Return `count` random styles, (count, style_features), for `translate`; more of them begin with the same.

        Raises:
            ConfigError: the model has no styles.
        """
        networks, rng = self.styled_networks(), torch.Generator().manual_seed(seed)
        return torch.cat([networks.sample_styles(1, rng) for _ in range(count)]).to(self.device)

    def styled_networks(self) -> HasStyles:
        """Return the networks as those of a model with styles.

        Raises:
            ConfigError: the model has none.
        """
        if not isinstance(self.networks, HasStyles):
            raise ConfigError(f"{self.spec.method.title} makes one translation of an image: it takes no style")
        return self.networks

    def heatmap(self, image: Any, domain: DomainName) -> Any:
        """Show where the domain's encoder looks, scaled to each image's own range.

        Args:
            image: as in `translate`, of the domain `domain`.
            domain: the image's own domain, "A" or "B".

        Returns:
            A greyscale PIL image of the input's size, an array (h, w) of uint8, a tensor (n, 1, h, w) or (1, h, w) in
            [0, 1], or a list.

        Raises:
            ConfigError: the model's method has no attention to show, or as `translate`.
        """
        if not isinstance(self.networks, HasHeatmap):
            raise ConfigError(f"{self.spec.method.title} has no attention, so there is no heatmap to show")
        return self._as_given(image, domain, self.networks.heatmap)

    def _as_given(self, image: Any, domain: DomainName, networks: Callable[[Tensor, DomainName], Tensor]) -> Any:
        """Return what the networks make of the input, in the input's own form."""
        _known(domain)
        if isinstance(image, list | tuple):
            return [self._as_given(one, domain, networks) for one in image]
        form = read_input(image, levels_of(self.spec.value_range))
        return form.restore(self.apply(form.images, domain, networks))

    def apply(self, image: Tensor, domain: DomainName, networks: Callable[[Tensor, DomainName], Tensor]) -> Tensor:
        """Return what networks make of images (n, 3, h, w) in [-1, 1] of any size: maps of the images' size."""
        height, width = image.shape[2:]
        padded, top, left = self._padded(image)
        side = self.tile_for((padded.shape[2], padded.shape[3]))

        def compute(part: Tensor) -> Tensor:
            with torch.no_grad(), self.machine.autocast():
                return networks(part, domain).float()

        out = compute(padded) if side is None else translate_tiles(compute, padded, side, self.reach)
        return out[:, :, top : top + height, left : left + width]

    @cached_property
    def reach(self) -> int:
        """How many pixels far the networks reach: what is further away acts through statistics only."""
        with torch.no_grad():
            return reach_of(
                lambda image: self.networks.translate(image, "B"),
                self.sizes.multiple,
                torch.zeros(1, device=self.device),
            )

    def tile_for(self, size: Size) -> int | None:
        """Return the side of the tiles, in pixels, in which an image of this height and width is translated; None if
        it is translated as a whole."""
        side = next_multiple(self.tile or TILE, self.sizes.multiple)
        if self.sizes.exact or max(size) <= side:
            return None
        return side if self.tile or not fits(self, self.sizes.padded(size)) else None

    def _padded(self, image: Tensor) -> Padded:
        """Pad by reflection to what the networks need."""
        height, width = size = image.shape[2], image.shape[3]
        rule = self.sizes
        if rule.exact and size != rule.exact:
            raise ConfigError(f"image size {rule.problem(size)}")
        rows, columns = map(reflected, size, rule.padded(size))
        images = image.to(self.device, torch.float32)[:, :, rows[:, None], columns]
        return Padded(images, (len(rows) - height) // 2, (len(columns) - width) // 2)

    def _rows(self, style: Any) -> Style:
        """Return the style that a caller gave as rows, on the model's device."""
        features = self.styled_networks().style_features
        try:
            rows = torch.as_tensor(style, dtype=torch.float32, device=self.device)
        except (TypeError, ValueError, RuntimeError):
            raise InputError(f"{type(style).__name__} is no style: give a tensor or an array") from None
        if rows.ndim not in (1, 2) or rows.shape[-1] != features or not rows.numel():
            raise InputError(f"{tuple(rows.shape)} is no style of this model: give {features} numbers, or rows of them")
        if not rows.isfinite().all():
            raise InputError("a style holds something else than finite numbers")
        return rows.view(-1, features)


def reflected(side: int, padded: int) -> Tensor:
    """Indices that pad `side` pixels to `padded` by reflection, as often as it takes, evenly at both ends."""
    before = (padded - side) // 2
    return torch.from_numpy(np.pad(np.arange(side), (before, padded - side - before), mode="reflect"))


def _known(domain: str) -> DomainName:
    if domain not in OTHER:
        raise ConfigError(f"there is no domain {domain!r}; the domains are A and B")
    return domain  # pyright: ignore[reportReturnType]


def load(
    model: str | os.PathLike[str], device: str = "auto", precision: str = "auto", tile: int | None = None
) -> Translator:
    """Load a trained translator.

    Args:
        model: a run folder, a model.safetensors, or a checkpoint: its folder, RUN@8000, RUN@best or RUN@latest.
        device: "auto" takes an NVIDIA GPU if there is one; or "cpu", "cuda", "cuda:1" ...
        precision: "auto" means bfloat16 on an NVIDIA GPU and float32 elsewhere; or "float32", "tf32", "bfloat16".
        tile: as in `Translator`: images with a side longer than these pixels are translated in tiles.

    Raises:
        CheckpointError: there is no model there, or it cannot be read.
        ConfigError: no such device, or a precision that it does not have.
    """
    return Translator(read_model(model), set_up_machine(device, precision), tile)
