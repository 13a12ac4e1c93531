"""The pool of earlier fakes that a discriminator sees again (Shrivastava et al., CVPR 2017)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from nicegan.errors import CheckpointError
from nicegan.shapes import Image


class ImagePool:
    """Up to `size` fakes, filled image by image. A full pool gives, with chance 1/2, a stored image for the new one.

    It holds no parameters and no buffers: those are the same in every process, and each process has a pool of its own.
    Which image is taken is decided by tensors alone, so a recorded CUDA graph decides anew in every replay.

    Args:
        size: images; a pool of 0 gives every image back.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: Tensor | None = None  # (size, 3, h, w), made by the first query
        self.count: Tensor | None = None  # images stored, as a tensor on the device

    @torch.no_grad()
    def query(self, fakes: Image, random: Float[Tensor, "n 2"]) -> Image:
        """Return as many images as were given, some of them earlier ones.

        Args:
            fakes: new ones, (n, 3, h, w).
            random: uniform numbers in [0, 1): for each fake, whether to exchange it, and which stored image for.
        """
        if self.size == 0:
            return fakes
        if self.images is None or self.count is None:
            self.images = fakes.new_zeros((self.size, *fakes.shape[1:]))
            self.count = torch.zeros(1, dtype=torch.int64, device=fakes.device)
        given = []
        for fake, (coin, index) in zip(fakes.split(1), random, strict=True):
            is_filling = self.count < self.size
            slot = torch.where(is_filling, self.count, (index * self.size).long().clamp_max(self.size - 1))
            slot = slot.clamp_max(self.size - 1)
            stored = self.images.index_select(0, slot)
            exchanged = ~is_filling & (coin > 0.5)
            given.append(torch.where(exchanged[:, None, None, None], stored, fake))
            kept = (is_filling | exchanged)[:, None, None, None]
            self.images.index_copy_(0, slot, torch.where(kept, fake.to(stored.dtype), stored))
            self.count += is_filling
        return torch.cat(given)

    def state_dict(self) -> dict[str, Tensor]:
        """Return copies of the stored images and of their number; {} before the first query."""
        if self.images is None or self.count is None:
            return {}
        return {"images": self.images.clone(), "count": self.count.clone()}

    def load_state_dict(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Become the pool that was saved.

        Raises:
            CheckpointError: a pool of another size.
        """
        if not state:
            self.images = self.count = None
            return
        if (stored := len(state["images"])) != self.size:
            raise CheckpointError(
                f"the checkpoint has a pool of {stored} images, and the run's pool_size is {self.size}: put {stored} "
                "back, or start a new --out"
            )
        self.images, self.count = state["images"].to(device), state["count"].to(device)
