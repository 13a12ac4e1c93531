"""Frechet distance between Gaussians fitted to two sets of features.

Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NeurIPS
2017; on the features of the 2015 Inception network it is the FID.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from nicegan.metrics.products import Features


def frechet_distance(real: Features, fake: Features) -> float:
    """|m_r - m_d|^2 + tr(S_r + S_d - 2 (S_r S_d)^(1/2)), with means m and unbiased covariances S.

    With S = F'F, the eigenvalues of S_r S_d are the squared singular values of F_r F_d', so the trace of the root is
    the sum of those: a matrix of the images' size where they are fewer than the features, and no root of a singular
    matrix.

    Estimated from few images the distance is too large, about in proportion to 1/n: only scores at equal counts
    compare.

    Args:
        real, fake: features (n, d) and (m, d), n and m at least 2.
    """
    real, fake = real.double(), fake.double()
    shift = (real.mean(0) - fake.mean(0)).square().sum()
    a, b = _covariance_factor(real), _covariance_factor(fake)
    root_trace = torch.linalg.svdvals(a @ b.T).sum()
    return (shift + a.square().sum() + b.square().sum() - 2 * root_trace).item()


def _covariance_factor(features: Float[Tensor, "n d"]) -> Float[Tensor, "_ d"]:
    """F with F'F the covariance: the centred features, or where these are more than d, their triangular factor."""
    count, width = features.shape
    centred = (features - features.mean(0)) / (count - 1) ** 0.5
    return torch.linalg.qr(centred, mode="r").R if count > width else centred
