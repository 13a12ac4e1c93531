"""The shape legend. n images of h x w pixels; c channels; a latent is h' x w' = h/4 x w/4 in the paper's networks."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

Scalar = Float[Tensor, ""]
Image = Float[Tensor, "n 3 h w"]  # RGB in [-1, 1]
Features = Float[Tensor, "n c h_map w_map"]
Latent = Float[Tensor, "n c h_latent w_latent"]
Terms = dict[str, Scalar]  # named, weighted loss terms


class Verdict(NamedTuple):
    """What a discriminator says of n images: least-squares logits, 1 for real, 0 for drawn. None: no such head."""

    cam: Float[Tensor, "n 1"] | None = None
    local: Float[Tensor, "n 1 h_local w_local"] | None = None
    global_: Float[Tensor, "n 1 h_global w_global"] | None = None

    def heads(self) -> dict[str, Tensor]:
        """The logits of the heads there are, by the field's name without its underscore."""
        return {name.rstrip("_"): logits for name, logits in self._asdict().items() if logits is not None}


class Reading(NamedTuple):
    """One look at images: where they lie in the shared latent space, and what the discriminator says of them."""

    latent: Latent
    verdict: Verdict
