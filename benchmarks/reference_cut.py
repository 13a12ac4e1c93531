"""A plain step of CUT in both directions, to measure against. Written from the method's description.

Features of sources are computed with their graphs, which are thrown away, and the halving blur is a convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plain_blocks import Draws, PlainBlock, adam, norm_relu, padded_conv, toward

COMPARED = (0, 4, 8, 12, 16)  # layers whose outputs patches are compared in
NUM_PATCHES, TEMPERATURE = 256, 0.07


class PlainBlurDown(nn.Module):
    filter: Tensor

    def __init__(self, c: int) -> None:
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("filter", (line[:, None] * line / 16).repeat(c, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.filter, stride=2, groups=x.shape[1])


class PlainGenerator(nn.Sequential):
    def __init__(self, c: int, blocks: int) -> None:
        up = nn.Upsample(scale_factor=2, mode="bilinear")
        super().__init__(
            *padded_conv(3, c, 7, 3), *norm_relu(c),
            nn.Conv2d(c, 2 * c, 3, padding=1), *norm_relu(2 * c), PlainBlurDown(2 * c),
            nn.Conv2d(2 * c, 4 * c, 3, padding=1), *norm_relu(4 * c), PlainBlurDown(4 * c),
            *(PlainBlock(4 * c) for _ in range(blocks)),
            up, nn.Conv2d(4 * c, 2 * c, 3, padding=1), *norm_relu(2 * c),
            up, nn.Conv2d(2 * c, c, 3, padding=1), *norm_relu(c),
            *padded_conv(c, 3, 7, 3), nn.Tanh(),
        )  # fmt: skip

    def features(self, x: Tensor) -> list[Tensor]:
        found = []
        for number, layer in enumerate(self):
            x = layer(x)
            if number in COMPARED:
                found.append(x)
            if number == COMPARED[-1]:
                break
        return found


class PlainDiscriminator(nn.Sequential):
    def __init__(self, c: int) -> None:
        layers: list[nn.Module] = [nn.Conv2d(3, c, 4, padding=1), nn.LeakyReLU(0.2, inplace=True), PlainBlurDown(c)]
        for a, b in ((c, 2 * c), (2 * c, 4 * c)):
            layers += [nn.Conv2d(a, b, 4, padding=1), nn.InstanceNorm2d(b), nn.LeakyReLU(0.2, inplace=True)]
            layers += [PlainBlurDown(b)]
        layers += [nn.Conv2d(4 * c, 8 * c, 4, padding=1), nn.InstanceNorm2d(8 * c), nn.LeakyReLU(0.2, inplace=True)]
        super().__init__(*layers, nn.Conv2d(8 * c, 1, 4, padding=1))


class PlainSampler(nn.ModuleList):
    def __init__(self, c: int, features: int) -> None:
        super().__init__(
            nn.Sequential(nn.Linear(width, features), nn.ReLU(), nn.Linear(features, features))
            for width in (3, 2 * c, 4 * c, 4 * c, 4 * c)
        )

    def forward(self, layers: list[Tensor], indices: list[Tensor]) -> list[Tensor]:
        found = []
        for mlp, layer, index in zip(self, layers, indices, strict=True):
            vectors = mlp(layer.permute(0, 2, 3, 1).flatten(1, 2)[:, index])
            found.append(vectors / (vectors.norm(dim=-1, keepdim=True) + 1e-7))
        return found


def patch_nce(query: Tensor, key: Tensor) -> Tensor:
    own = (query * key).sum(-1, keepdim=True)
    others = query @ key.transpose(1, 2)
    others = others.masked_fill(torch.eye(key.shape[1], dtype=torch.bool, device=key.device), -10)
    logits = (torch.cat([own, others], -1) / TEMPERATURE).flatten(0, 1)
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=key.device))


class PlainOneWay:
    """The published step: one direction, three Adam optimizers."""

    def __init__(self, network: Mapping[str, Any], device: str) -> None:
        c = network["base_channels"]
        self.gen = PlainGenerator(c, network["blocks"]).to(device)
        self.dis = PlainDiscriminator(network["discriminator_channels"]).to(device)
        self.sampler = PlainSampler(c, network["patch_features"]).to(device)
        self.optims = [adam(net, rate=2e-4, decay=0) for net in (self.gen, self.dis, self.sampler)]

    def __call__(self, source: Tensor, target: Tensor, draws: Draws) -> None:
        g_optim, d_optim, f_optim = self.optims
        fake, same = self.gen(torch.cat([source, target])).chunk(2)
        self.dis.requires_grad_(requires_grad=True)
        d_optim.zero_grad()
        (0.5 * (toward([self.dis(fake.detach())], 0) + toward([self.dis(target)], 1))).backward()
        d_optim.step()
        self.dis.requires_grad_(requires_grad=False)
        g_optim.zero_grad()
        f_optim.zero_grad()
        contrast = 0.5 * (self.contrast(source, fake, draws) + self.contrast(target, same, draws))
        (toward([self.dis(fake)], 1) + contrast).backward()
        g_optim.step()
        f_optim.step()

    def contrast(self, image: Tensor, translation: Tensor, draws: Draws) -> Tensor:
        of_translation, of_image = self.gen.features(translation), self.gen.features(image)
        sizes = [layer.shape[2] * layer.shape[3] for layer in of_image]
        indices = [draws.indices(min(NUM_PATCHES, size), size, image) for size in sizes]
        keys, queries = self.sampler(of_image, indices), self.sampler(of_translation, indices)
        each = [patch_nce(query, key.detach()) for query, key in zip(queries, keys, strict=True)]
        return torch.stack(each).mean()


class ReferenceStep:
    """The published step for A to B, and for B to A."""

    def __init__(self, network: Mapping[str, Any], device: str = "cpu") -> None:
        self.to_b, self.to_a = (PlainOneWay(network, device) for _ in "ab")

    def modules(self) -> tuple[nn.Module, ...]:
        return tuple(net for way in (self.to_b, self.to_a) for net in (way.gen, way.dis, way.sampler))

    def __call__(self, a: Tensor, b: Tensor, random: tuple[Tensor, ...] = ()) -> None:
        draws = Draws(random)
        self.to_b(a, b, draws)
        self.to_a(b, a, draws)


class ReferenceTranslation:
    """Translation as published."""

    def __init__(self, network: Mapping[str, Any], device: str = "cpu") -> None:
        self.to_b = PlainGenerator(network["base_channels"], network["blocks"]).to(device).eval()

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        return self.to_b(image)
