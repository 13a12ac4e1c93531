"""A plain MUNIT step, to measure against. Written from the method's description, the straightforward way.

No parameter is frozen in any phase, and the discriminators' phase builds the generators' graphs and throws them away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plain_blocks import (
    Draws,
    PlainContentEncoder,
    PlainExit,
    PlainMultiScale,
    PlainStyleEncoder,
    adam,
    padded_conv,
    toward,
)


class PlainStyledBlock(nn.Module):
    """A residual block whose two instance norms end with given shifts and scales."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Sequential(*padded_conv(c, c, 3, 1)) for _ in "12")

    def forward(self, x: Tensor, shift1: Tensor, scale1: Tensor, shift2: Tensor, scale2: Tensor) -> Tensor:
        out = F.relu(F.instance_norm(self.conv1(x)) * scale1 + shift1, inplace=True)
        return F.instance_norm(self.conv2(out)) * scale2 + shift2 + x


class PlainStyledDecoder(nn.Module):
    def __init__(self, c: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(PlainStyledBlock(4 * c) for _ in range(blocks))
        self.exit = PlainExit(c)

    def forward(self, content: Tensor, numbers: Tensor) -> Tensor:
        x, pieces = content, numbers[..., None, None].chunk(4 * len(self.blocks), 1)
        for i, block in enumerate(self.blocks):
            x = block(x, *pieces[4 * i : 4 * i + 4])
        return self.exit(x)


class PlainAutoencoder(nn.Module):
    def __init__(self, network: Mapping[str, Any]) -> None:
        super().__init__()
        c, blocks = network["base_channels"], network["blocks"]
        features, width = network["style_features"], network["mlp_features"]
        self.style = PlainStyleEncoder(c, features)
        self.content = PlainContentEncoder(c, blocks)
        self.decoder = PlainStyledDecoder(c, blocks)
        self.mlp = nn.Sequential(
            nn.Linear(features, width), nn.ReLU(inplace=True), nn.Linear(width, width), nn.ReLU(inplace=True),
            nn.Linear(width, blocks * 4 * 4 * c),
        )  # fmt: skip

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        return self.decoder(content, self.mlp(style.flatten(1)))


class ReferenceStep:
    """Both phases of the published step, with its two Adam optimizers."""

    def __init__(self, network: Mapping[str, Any], device: str = "cpu") -> None:
        shape = [network[f"discriminator_{name}"] for name in ("channels", "layers", "scales")]
        self.features = network["style_features"]
        self.gen_a, self.gen_b = (PlainAutoencoder(network).to(device) for _ in "ab")
        self.dis_a, self.dis_b = (PlainMultiScale(*shape, leak=0.2).to(device) for _ in "ab")
        self.g_optim, self.d_optim = adam(self.gen_a, self.gen_b), adam(self.dis_a, self.dis_b)

    def modules(self) -> tuple[nn.Module, ...]:
        return self.gen_a, self.gen_b, self.dis_a, self.dis_b

    def __call__(self, a: Tensor, b: Tensor, random: tuple[Tensor, ...] = ()) -> None:
        draws = Draws(random)
        self.discriminator_phase(a, b, *(self.style(draws, a) for _ in "ab"))
        self.generator_phase(a, b, *(self.style(draws, a) for _ in "ab"))

    def style(self, draws: Draws, image: Tensor) -> Tensor:
        return draws.normal(len(image), self.features, 1, 1, like=image)

    def discriminator_phase(self, a: Tensor, b: Tensor, s_a: Tensor, s_b: Tensor) -> None:
        self.d_optim.zero_grad()
        fake_a = self.gen_a.decode(self.gen_b.content(b), s_a).detach()
        fake_b = self.gen_b.decode(self.gen_a.content(a), s_b).detach()
        loss = toward(self.dis_a(a), 1) + toward(self.dis_a(fake_a), 0)
        loss = loss + toward(self.dis_b(b), 1) + toward(self.dis_b(fake_b), 0)
        loss.backward()
        self.d_optim.step()

    def generator_phase(self, a: Tensor, b: Tensor, s_a: Tensor, s_b: Tensor) -> None:
        self.g_optim.zero_grad()
        gen_a, gen_b = self.gen_a, self.gen_b
        c_a, own_a, c_b, own_b = gen_a.content(a), gen_a.style(a), gen_b.content(b), gen_b.style(b)
        fake_a, fake_b = gen_a.decode(c_b, s_a), gen_b.decode(c_a, s_b)
        back_b, found_a, back_a, found_b = (
            gen_a.content(fake_a),
            gen_a.style(fake_a),
            gen_b.content(fake_b),
            gen_b.style(fake_b),
        )
        rebuilt = F.l1_loss(gen_a.decode(c_a, own_a), a) + F.l1_loss(gen_b.decode(c_b, own_b), b)
        cycle = F.l1_loss(gen_a.decode(back_a, own_a), a) + F.l1_loss(gen_b.decode(back_b, own_b), b)
        styles = F.l1_loss(found_a, s_a) + F.l1_loss(found_b, s_b)
        contents = F.l1_loss(back_a, c_a) + F.l1_loss(back_b, c_b)
        fooled = toward(self.dis_a(fake_a), 1) + toward(self.dis_b(fake_b), 1)
        (fooled + 10 * rebuilt + 10 * cycle + styles + contents).backward()
        self.g_optim.step()


class ReferenceTranslation:
    """Translation as published, with a random style."""

    def __init__(self, network: Mapping[str, Any], device: str = "cpu") -> None:
        self.features = network["style_features"]
        self.gen_a, self.gen_b = (PlainAutoencoder(network).to(device).eval() for _ in "ab")

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        style = torch.randn(len(image), self.features, 1, 1, device=image.device)
        return self.gen_b.decode(self.gen_a.content(image), style)
