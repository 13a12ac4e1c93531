"""A plain UNIT step, to measure against. Written from the method's description, the straightforward way.

No parameter is frozen in any phase, and the discriminators' phase builds the generators' graphs and throws them away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plain_blocks import Draws, PlainBlock, PlainContentEncoder, PlainExit, PlainMultiScale, adam, toward


class PlainAutoencoder(nn.Module):
    def __init__(self, c: int, blocks: int) -> None:
        super().__init__()
        self.encode = PlainContentEncoder(c, blocks)
        self.decode = nn.Sequential(*(PlainBlock(4 * c) for _ in range(blocks)), PlainExit(c))


class ReferenceStep:
    """Both phases of the published step, with its two Adam optimizers."""

    def __init__(self, network: Mapping[str, Any], device: str = "cpu") -> None:
        c, blocks = network["base_channels"], network["blocks"]
        shape = [network[f"discriminator_{name}"] for name in ("channels", "layers", "scales")]
        self.gen_a, self.gen_b = (PlainAutoencoder(c, blocks).to(device) for _ in "ab")
        self.dis_a, self.dis_b = (PlainMultiScale(*shape, leak=0.2).to(device) for _ in "ab")
        self.g_optim, self.d_optim = adam(self.gen_a, self.gen_b), adam(self.dis_a, self.dis_b)

    def modules(self) -> tuple[nn.Module, ...]:
        return self.gen_a, self.gen_b, self.dis_a, self.dis_b

    def __call__(self, a: Tensor, b: Tensor, random: tuple[Tensor, ...] = ()) -> None:
        draws = Draws(random)
        self.discriminator_phase(a, b, draws)
        self.generator_phase(a, b, draws)

    def discriminator_phase(self, a: Tensor, b: Tensor, draws: Draws) -> None:
        self.d_optim.zero_grad()
        mean_a, mean_b = self.gen_a.encode(a), self.gen_b.encode(b)
        fake_b = self.gen_b.decode(mean_a + draws.normal_like(mean_a)).detach()
        fake_a = self.gen_a.decode(mean_b + draws.normal_like(mean_b)).detach()
        loss = toward(self.dis_a(a), 1) + toward(self.dis_a(fake_a), 0)
        loss = loss + toward(self.dis_b(b), 1) + toward(self.dis_b(fake_b), 0)
        loss.backward()
        self.d_optim.step()

    def generator_phase(self, a: Tensor, b: Tensor, draws: Draws) -> None:
        self.g_optim.zero_grad()
        mean_a, mean_b = self.gen_a.encode(a), self.gen_b.encode(b)
        z_a, z_b = mean_a + draws.normal_like(mean_a), mean_b + draws.normal_like(mean_b)
        fake_a, fake_b = self.gen_a.decode(z_b), self.gen_b.decode(z_a)
        back_b, back_a = self.gen_a.encode(fake_a), self.gen_b.encode(fake_b)
        z_back_a, z_back_b = back_a + draws.normal_like(back_a), back_b + draws.normal_like(back_b)
        rebuilt = F.l1_loss(self.gen_a.decode(z_a), a) + F.l1_loss(self.gen_b.decode(z_b), b)
        cycle = F.l1_loss(self.gen_a.decode(z_back_a), a) + F.l1_loss(self.gen_b.decode(z_back_b), b)
        kl = sum((mean.square().mean() for mean in (mean_a, mean_b, back_a, back_b)), torch.zeros(()))
        fooled = toward(self.dis_a(fake_a), 1) + toward(self.dis_b(fake_b), 1)
        (fooled + 10 * rebuilt + 10 * cycle + 0.01 * kl).backward()
        self.g_optim.step()


class ReferenceTranslation:
    """Translation as published."""

    def __init__(self, network: Mapping[str, Any], device: str = "cpu") -> None:
        c, blocks = network["base_channels"], network["blocks"]
        self.gen_a, self.gen_b = (PlainAutoencoder(c, blocks).to(device).eval() for _ in "ab")

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        return self.gen_b.decode(self.gen_a.encode(image))
