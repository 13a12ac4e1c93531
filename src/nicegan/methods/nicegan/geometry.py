"""Which image sizes a discriminator of a given depth can take: plain arithmetic, so that bad sizes fail at the door.

Depth `n` places the local head after layer n-4 and the global head after layer n-2 (method, section 2). Layers with
stride 2 halve the side; each head then has a stride-1 layer and an output layer, which cost one pixel each and whose
reflection padding needs two pixels to reflect.
"""

from collections.abc import Sequence

_LAYERS_AFTER_TRUNK = {"local": 4, "global": 2}  # a head follows the layer this far from the depth
_SMALLEST_SIDE_AT_HEAD = 3
SMALLEST_LATENT_SIDE = 2  # what a generator's padding can reflect


def num_halvings(depth: int, head: str) -> int:
    """Number of stride-2 layers between the image and a patch head ("local" or "global")."""
    return depth - _LAYERS_AFTER_TRUNK[head]


def smallest_side(depth: int, shared_layers: int, heads: Sequence[str]) -> int:
    """Return the smallest image side, in pixels, that every one of `heads` and the encoder can take."""
    sides = [SMALLEST_LATENT_SIDE << shared_layers]
    sides += [_SMALLEST_SIDE_AT_HEAD << num_halvings(depth, head) for head in heads if head != "cam"]
    return max(sides)


def smallest_depth(shared_layers: int) -> int:
    """Return the shallowest discriminator whose local head still follows the encoder."""
    return shared_layers + 4
