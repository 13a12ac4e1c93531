"""A plain CycleGAN step, to measure against. Written from the method's description, the straightforward way.

PyTorch's own layers in its own memory format, a pass of its own for the identity, and a pool that decides in Python.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_norm(a: int, b: int, *layer: nn.Module) -> list[nn.Module]:
    return [*layer, nn.InstanceNorm2d(b), nn.ReLU(inplace=True)]


class PlainBlock(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3), nn.InstanceNorm2d(c), nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3), nn.InstanceNorm2d(c),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class PlainGenerator(nn.Sequential):
    def __init__(self, c: int, blocks: int) -> None:
        super().__init__(
            *conv_norm(3, c, nn.ReflectionPad2d(3), nn.Conv2d(3, c, 7)),
            *conv_norm(c, 2 * c, nn.Conv2d(c, 2 * c, 3, stride=2, padding=1)),
            *conv_norm(2 * c, 4 * c, nn.Conv2d(2 * c, 4 * c, 3, stride=2, padding=1)),
            *(PlainBlock(4 * c) for _ in range(blocks)),
            *conv_norm(4 * c, 2 * c, nn.ConvTranspose2d(4 * c, 2 * c, 3, stride=2, padding=1, output_padding=1)),
            *conv_norm(2 * c, c, nn.ConvTranspose2d(2 * c, c, 3, stride=2, padding=1, output_padding=1)),
            nn.ReflectionPad2d(3),
            nn.Conv2d(c, 3, 7),
            nn.Tanh(),
        )


class PlainDiscriminator(nn.Sequential):
    def __init__(self, c: int) -> None:
        layers: list[nn.Module] = [nn.Conv2d(3, c, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        for a, b, stride in ((c, 2 * c, 2), (2 * c, 4 * c, 2), (4 * c, 8 * c, 1)):
            layers += [nn.Conv2d(a, b, 4, stride=stride, padding=1), nn.InstanceNorm2d(b)]
            layers += [nn.LeakyReLU(0.2, inplace=True)]
        super().__init__(*layers, nn.Conv2d(8 * c, 1, 4, padding=1))


class PlainPool:
    def __init__(self, size: int) -> None:
        self.size = size
        self.images: list[Tensor] = []

    def query(self, fakes: Tensor) -> Tensor:
        if self.size == 0:
            return fakes
        given = []
        for fake in fakes.split(1):
            if len(self.images) < self.size:
                self.images.append(fake)
                given.append(fake)
            elif random.random() > 0.5:
                slot = random.randrange(self.size)
                given.append(self.images[slot].clone())
                self.images[slot] = fake
            else:
                given.append(fake)
        return torch.cat(given)


def toward(logits: Tensor, value: float) -> Tensor:
    return F.mse_loss(logits, torch.full_like(logits, value))


class ReferenceStep:
    """Both updates of the published step, generators first, with its two Adam optimizers."""

    def __init__(self, network: Mapping[str, Any], device: str = "cpu") -> None:
        c, blocks = network["base_channels"], network["blocks"]
        self.to_b, self.to_a = (PlainGenerator(c, blocks).to(device) for _ in "ab")
        self.dis_a, self.dis_b = (PlainDiscriminator(network["discriminator_channels"]).to(device) for _ in "ab")
        self.pool_a, self.pool_b = (PlainPool(network["pool_size"]) for _ in "ab")
        generators = itertools.chain(self.to_b.parameters(), self.to_a.parameters())
        discriminators = itertools.chain(self.dis_a.parameters(), self.dis_b.parameters())
        self.g_optim = torch.optim.Adam(generators, lr=2e-4, betas=(0.5, 0.999))
        self.d_optim = torch.optim.Adam(discriminators, lr=2e-4, betas=(0.5, 0.999))

    def modules(self) -> tuple[nn.Module, ...]:
        return self.to_b, self.to_a, self.dis_a, self.dis_b

    def __call__(self, a: Tensor, b: Tensor) -> None:
        fake_b, fake_a = self.to_b(a), self.to_a(b)
        for parameter in itertools.chain(self.dis_a.parameters(), self.dis_b.parameters()):
            parameter.requires_grad = False
        self.g_optim.zero_grad()
        cycle = F.l1_loss(self.to_a(fake_b), a) + F.l1_loss(self.to_b(fake_a), b)
        identity = F.l1_loss(self.to_b(b), b) + F.l1_loss(self.to_a(a), a)
        loss = toward(self.dis_b(fake_b), 1) + toward(self.dis_a(fake_a), 1) + 10 * cycle + 5 * identity
        loss.backward()
        self.g_optim.step()
        for parameter in itertools.chain(self.dis_a.parameters(), self.dis_b.parameters()):
            parameter.requires_grad = True
        self.d_optim.zero_grad()
        for dis, pool, real, fake in ((self.dis_a, self.pool_a, a, fake_a), (self.dis_b, self.pool_b, b, fake_b)):
            shown = pool.query(fake.detach())
            (0.5 * (toward(dis(real), 1) + toward(dis(shown), 0))).backward()
        self.d_optim.step()


class ReferenceTranslation:
    """Translation as published."""

    def __init__(self, network: Mapping[str, Any], device: str = "cpu") -> None:
        self.to_b = PlainGenerator(network["base_channels"], network["blocks"]).to(device).eval()

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        return self.to_b(image)
