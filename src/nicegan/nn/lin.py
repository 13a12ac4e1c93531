"""Layer-instance normalisation with a clipped share: LIN and AdaLIN (Kim et al., ICLR 2020, arXiv 1907.10830).

    out = gamma * (rho * (x - m_in) / sqrt(v_in + eps) + (1 - rho) * (x - m_ln) / sqrt(v_ln + eps)) + beta

with unbiased variances and rho in [0, 1], which a training step must clip (`clip_shares`). NICE-GAN's form in
`nicegan.nn.norm` makes both shares by a softmax, which never reaches 0 or 1.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nicegan.nn.norm import normalise_by_shares
from nicegan.nn.statistics import PerChannel

ADAPTIVE_SHARE, LEARNED_SHARE = 0.9, 0.0  # of the instance, initially


def lin(
    x: Float[Tensor, "n c h w"], gamma: PerChannel, beta: PerChannel, rho: Float[Tensor, " c"], *, rectify: bool = False
) -> Float[Tensor, "n c h w"]:
    """Return the normalisation of x, then ReLU if `rectify`."""
    return normalise_by_shares(x, gamma, beta, torch.stack([rho, 1 - rho], dim=1), rectify=rectify)


class AdaLIN(nn.Module):
    """Normalisation whose gamma and beta are made from the image: `forward(x, gamma, beta)`."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.full((num_channels,), ADAPTIVE_SHARE))

    def forward(
        self, x: Float[Tensor, "n c h w"], gamma: PerChannel, beta: PerChannel, *, rectify: bool = False
    ) -> Float[Tensor, "n c h w"]:
        return lin(x, gamma, beta, self.rho, rectify=rectify)


class LIN(nn.Module):
    """Normalisation with a learned gamma and beta per channel, followed by ReLU."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.full((num_channels,), LEARNED_SHARE))
        self.gamma = nn.Parameter(torch.ones(num_channels))
        self.beta = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        shape = (x.shape[0], x.shape[1])
        return lin(x, self.gamma.expand(shape), self.beta.expand(shape), self.rho, rectify=True)


@torch.no_grad()
def clip_shares(module: nn.Module) -> None:
    """Bring every share inside `module` back into [0, 1]."""
    for layer in module.modules():
        if isinstance(layer, AdaLIN | LIN):
            layer.rho.clamp_(0, 1)
