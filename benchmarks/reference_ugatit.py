"""A plain U-GAT-IT step, to measure against. Written from the method's description, the straightforward way.

Every statistic of a normalisation is a pass of its own, the attention doubles the map, spectrally normalised weights
are divided (and iterated) at every pass, no parameter is frozen in any phase, and the discriminators' phase builds the
generators' graphs and throws them away.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from plain_blocks import PlainBlock, adam, norm_relu, padded_conv, toward


class PlainNorm(nn.Module):
    """LIN where gamma and beta are learned, AdaLIN where they are given."""

    def __init__(self, c: int, share: float, *, learned: bool) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.full((1, c, 1, 1), share))
        if learned:
            self.gamma = nn.Parameter(torch.ones(1, c, 1, 1))
            self.beta = nn.Parameter(torch.zeros(1, c, 1, 1))

    def forward(self, x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None) -> Tensor:
        in_mean, in_var = torch.mean(x, dim=[2, 3], keepdim=True), torch.var(x, dim=[2, 3], keepdim=True)
        out_in = (x - in_mean) / torch.sqrt(in_var + 1e-5)
        ln_mean, ln_var = torch.mean(x, dim=[1, 2, 3], keepdim=True), torch.var(x, dim=[1, 2, 3], keepdim=True)
        out_ln = (x - ln_mean) / torch.sqrt(ln_var + 1e-5)
        out = self.rho * out_in + (1 - self.rho) * out_ln
        if gamma is None or beta is None:
            return out * self.gamma + self.beta
        return out * gamma[:, :, None, None] + beta[:, :, None, None]


class PlainStyledBlock(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(*padded_conv(c, c, 3, 1, bias=False))
        self.norm1 = PlainNorm(c, 0.9, learned=False)
        self.conv2 = nn.Sequential(*padded_conv(c, c, 3, 1, bias=False))
        self.norm2 = PlainNorm(c, 0.9, learned=False)

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        out = F.relu(self.norm1(self.conv1(x), gamma, beta), inplace=True)
        return self.norm2(self.conv2(out), gamma, beta) + x


class Attended(NamedTuple):
    x: Tensor
    cam: Tensor


class PlainAttention(nn.Module):
    """Two classifiers whose weights re-weigh the channels of a map; `wrap` makes them spectral in discriminators."""

    def __init__(self, c: int, wrap: Any, activation: nn.Module) -> None:
        super().__init__()
        self.gap, self.gmp = (wrap(nn.Linear(c, 1, bias=False)) for _ in "12")
        self.mix = nn.Conv2d(2 * c, c, 1)
        self.activation = activation

    def forward(self, x: Tensor) -> Attended:
        average, maximum = F.adaptive_avg_pool2d(x, 1).flatten(1), F.adaptive_max_pool2d(x, 1).flatten(1)
        cam = torch.cat([self.gap(average), self.gmp(maximum)], 1)
        weights = [getattr(layer, "weight_orig", layer.weight)[..., None, None] for layer in (self.gap, self.gmp)]
        mixed = self.mix(torch.cat([x * weight for weight in weights], 1))
        return Attended(self.activation(mixed), cam)


class PlainGenerator(nn.Module):
    """image -> image and CAM logits. With `side` the style is made of every value of a map of that side."""

    def __init__(self, c: int, blocks: int, sides: tuple[int, int] | None) -> None:
        super().__init__()
        width = 4 * c
        self.attention = PlainAttention(width, lambda layer: layer, nn.ReLU(inplace=True))
        self.gamma, self.beta = (nn.Linear(width, width, bias=False) for _ in "12")
        self.blocks = nn.ModuleList(PlainStyledBlock(width) for _ in range(blocks))
        self.down = nn.Sequential(
            *padded_conv(3, c, 7, 3, bias=False), *norm_relu(c),
            *padded_conv(c, 2 * c, 3, 1, stride=2, bias=False), *norm_relu(2 * c),
            *padded_conv(2 * c, width, 3, 1, stride=2, bias=False), *norm_relu(width),
            *(PlainBlock(width, bias=False) for _ in range(blocks)),
        )  # fmt: skip
        self.pool = nn.Identity() if sides else nn.AdaptiveAvgPool2d(1)
        num_values = width * (sides[0] // 4) * (sides[1] // 4) if sides else width
        self.fc = nn.Sequential(
            nn.Linear(num_values, width, bias=False), nn.ReLU(), nn.Linear(width, width, bias=False), nn.ReLU()
        )
        ups = []
        for half in (2 * c, c):
            ups += [nn.Upsample(scale_factor=2), *padded_conv(2 * half, half, 3, 1, bias=False)]
            ups += [PlainNorm(half, 0.0, learned=True), nn.ReLU(inplace=True)]
        self.up = nn.Sequential(*ups, *padded_conv(c, 3, 7, 3, bias=False), nn.Tanh())

    def forward(self, image: Tensor) -> Attended:
        x, cam = self.attention(self.down(image))
        style = self.fc(self.pool(x).flatten(1))
        gamma, beta = self.gamma(style), self.beta(style)
        for block in self.blocks:
            x = block(x, gamma, beta)
        return Attended(self.up(x), cam)


class PlainCritic(nn.Module):
    def __init__(self, c: int, num_layers: int) -> None:
        super().__init__()
        widths = [3, *(c << i for i in range(num_layers - 1))]
        self.attention = PlainAttention(widths[-1], spectral_norm, nn.LeakyReLU(0.2, inplace=True))
        self.pad, self.logit = nn.ReflectionPad2d(1), spectral_norm(nn.Conv2d(widths[-1], 1, 4, bias=False))
        layers = []
        for a, b in itertools.pairwise(widths):
            conv = spectral_norm(nn.Conv2d(a, b, 4, 1 if b == widths[-1] else 2))
            layers += [nn.ReflectionPad2d(1), conv, nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Attended:
        x, cam = self.attention(self.layers(image))
        return Attended(self.logit(self.pad(x)), cam)


def says(cam: Tensor, answer: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(cam, torch.full_like(cam, answer))


class ReferenceStep:
    """Both phases of the published step, with its two Adam optimizers."""

    def __init__(self, network: Mapping[str, Any], device: str = "cpu") -> None:
        self.to_b, self.to_a = (generator(network).to(device) for _ in "ab")
        c, global_layers, local_layers = (network[name] for name in ("base_channels", "global_layers", "local_layers"))
        self.all_a, self.all_b = (PlainCritic(c, global_layers).to(device) for _ in "ab")
        self.patch_a, self.patch_b = (PlainCritic(c, local_layers).to(device) for _ in "ab")
        self.g_optim = adam(self.to_b, self.to_a)
        self.d_optim = adam(self.all_a, self.all_b, self.patch_a, self.patch_b)

    def modules(self) -> tuple[nn.Module, ...]:
        return self.to_b, self.to_a, self.all_a, self.all_b, self.patch_a, self.patch_b

    def __call__(self, a: Tensor, b: Tensor, random: tuple[Tensor, ...] = ()) -> None:
        self.discriminator_phase(a, b)
        self.generator_phase(a, b)

    def look(self, a: Tensor, b: Tensor, value: float) -> Tensor:
        """Return how far all logits of images of A and of B are from this value."""
        seen = [*self.all_a(a), *self.patch_a(a), *self.all_b(b), *self.patch_b(b)]
        return toward(seen, value)

    def discriminator_phase(self, a: Tensor, b: Tensor) -> None:
        self.d_optim.zero_grad()
        fake_b, fake_a = self.to_b(a).x.detach(), self.to_a(b).x.detach()
        (self.look(a, b, 1) + self.look(fake_a, fake_b, 0)).backward()
        self.d_optim.step()

    def generator_phase(self, a: Tensor, b: Tensor) -> None:
        self.g_optim.zero_grad()
        (fake_b, cam_ab), (fake_a, cam_ba) = self.to_b(a), self.to_a(b)
        (same_a, cam_aa), (same_b, cam_bb) = self.to_a(a), self.to_b(b)
        cycle = F.l1_loss(self.to_a(fake_b).x, a) + F.l1_loss(self.to_b(fake_a).x, b)
        identity = F.l1_loss(same_a, a) + F.l1_loss(same_b, b)
        cam = says(cam_ba, 1) + says(cam_aa, 0) + says(cam_ab, 1) + says(cam_bb, 0)
        (self.look(fake_a, fake_b, 1) + 10 * cycle + 10 * identity + 1000 * cam).backward()
        self.g_optim.step()
        for module in (*self.to_b.modules(), *self.to_a.modules()):
            if isinstance(module, PlainNorm):
                module.rho.data.clamp_(0, 1)


def generator(network: Mapping[str, Any]) -> PlainGenerator:
    sides = network["image_size"] if network["summary"] == "flat" else None
    return PlainGenerator(network["base_channels"], network["blocks"], sides)


class ReferenceTranslation:
    """Translation as published."""

    def __init__(self, network: Mapping[str, Any], device: str = "cpu") -> None:
        self.to_b = generator(network).to(device).eval()

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        return self.to_b(image).x
