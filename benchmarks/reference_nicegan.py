"""A plain transcription of the published NICE-GAN step, to measure against. Written from the method's description.

Any file that defines these two can take its place (`nicegan bench --reference FILE`); `network` are the settings of the
method's networks, by name, and "image_size", height and width:

    ReferenceStep(network, device)         called with images a, b in [-1, 1]; modules(): its nets
    ReferenceTranslation(network, device)  called with one image of domain A

Everything is done the straightforward way: every statistic of a normalisation is a pass of its own, spectrally
normalised weights are divided (and iterated) at every pass, all heads run for every encoding, gradients are left
on everywhere, and the discriminator phase builds the generators' graphs and throws them away.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm


class PlainNorm(nn.Module):
    """ILN where gamma and beta are learned, AdaILN where they are given."""

    def __init__(self, channels: int, logits: tuple[float, float], *, learned: bool) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.tensor(logits).repeat(1, channels, 1))
        if learned:
            self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1))
            self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None) -> Tensor:
        in_mean, in_var = torch.mean(x, dim=[2, 3], keepdim=True), torch.var(x, dim=[2, 3], keepdim=True)
        out_in = (x - in_mean) / torch.sqrt(in_var + 1e-5)
        ln_mean, ln_var = torch.mean(x, dim=[1, 2, 3], keepdim=True), torch.var(x, dim=[1, 2, 3], keepdim=True)
        out_ln = (x - ln_mean) / torch.sqrt(ln_var + 1e-5)
        rho = torch.softmax(self.rho, 2)
        rho_in, rho_ln = rho[:, :, 0].view(1, -1, 1, 1), rho[:, :, 1].view(1, -1, 1, 1)
        out = rho_in * out_in + rho_ln * out_ln
        if gamma is None or beta is None:
            return out * self.gamma + self.beta
        return out * gamma[:, :, None, None] + beta[:, :, None, None]


def padded_conv(a: int, b: int, kernel: int, pad: int, *, bias: bool) -> list[nn.Module]:
    return [nn.ReflectionPad2d(pad), nn.Conv2d(a, b, kernel, bias=bias)]


def down(a: int, b: int, stride: int) -> list[nn.Module]:
    conv = spectral_norm(nn.Conv2d(a, b, 4, stride))
    return [nn.ReflectionPad2d(1), conv, nn.LeakyReLU(0.2, inplace=True)]


def iln(channels: int) -> list[nn.Module]:
    return [PlainNorm(channels, (1.0, 3.2), learned=True), nn.ReLU(inplace=True)]


class PlainBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(*padded_conv(channels, channels, 3, 1, bias=False))
        self.norm1 = PlainNorm(channels, (3.2, 1.0), learned=False)
        self.conv2 = nn.Sequential(*padded_conv(channels, channels, 3, 1, bias=False))
        self.norm2 = PlainNorm(channels, (3.2, 1.0), learned=False)

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        out = F.relu(self.norm1(self.conv1(x), gamma, beta), inplace=True)
        return self.norm2(self.conv2(out), gamma, beta) + x


class PlainGenerator(nn.Module):
    def __init__(self, ch: int, blocks: int, shared: int, upsample: str) -> None:
        super().__init__()
        width = ch << shared
        self.entry = nn.Sequential(*padded_conv(width // 2, width, 3, 1, bias=True), *iln(width))
        self.fc = nn.Sequential(
            nn.Linear(width, width, bias=False), nn.ReLU(), nn.Linear(width, width, bias=False), nn.ReLU()
        )
        self.gamma = nn.Linear(width, width, bias=False)
        self.beta = nn.Linear(width, width, bias=False)
        self.blocks = nn.ModuleList(PlainBlock(width) for _ in range(blocks))
        ups = []
        for half in (width >> i for i in range(1, shared + 1)):
            if upsample in ("nearest", "bilinear"):
                ups.append(nn.Upsample(scale_factor=2, mode=upsample))
            ups += [*padded_conv(2 * half, half, 3, 1, bias=False), *iln(half)]
            if upsample in ("subpixel", "icnr"):
                ups += [nn.Conv2d(half, 4 * half, 1), nn.PixelShuffle(2), *iln(half)]
        self.exit = nn.Sequential(*ups, *padded_conv(ch, 3, 7, 3, bias=False), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        x = self.entry(z)
        style = self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))
        gamma, beta = self.gamma(style), self.beta(style)
        for block in self.blocks:
            x = block(x, gamma, beta)
        return self.exit(x)


class PlainDiscriminator(nn.Module):
    """image -> local, global and cam logits, and the latent."""

    def __init__(self, ch: int, depth: int, shared: int) -> None:
        super().__init__()
        widths = [ch << i for i in range(depth - 1)]
        latent = widths[shared - 1]
        self.encoder = nn.Sequential(*self._downs([3, *widths[:shared]]))
        self.fc = spectral_norm(nn.Linear(2 * latent, 1, bias=False))
        self.conv1x1 = nn.Conv2d(2 * latent, latent, 1)
        self.lamda = nn.Parameter(torch.zeros(1))
        at_local, at_global = depth - 5, depth - 3
        self.local_trunk = nn.Sequential(*self._downs(widths[shared - 1 : at_local + 1]))
        self.local_head = self._head(widths[at_local])
        self.global_trunk = nn.Sequential(*self._downs(widths[at_local : at_global + 1]))
        self.global_head = self._head(widths[at_global])

    @staticmethod
    def _downs(widths: list[int]) -> list[nn.Module]:
        return [layer for a, b in itertools.pairwise(widths) for layer in down(a, b, 2)]

    @staticmethod
    def _head(channels: int) -> nn.Sequential:
        logit = spectral_norm(nn.Conv2d(2 * channels, 1, 4, bias=False))
        return nn.Sequential(*down(channels, 2 * channels, 1), nn.ReflectionPad2d(1), logit)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x = features = self.encoder(image)
        average = F.adaptive_avg_pool2d(x, 1).flatten(1)
        maximum = F.adaptive_max_pool2d(x, 1).flatten(1)
        cam = self.fc(torch.cat([average, maximum], 1))
        weight = self.fc.weight_orig[0, :, None, None]  # pyright: ignore[reportIndexIssue]
        x = self.conv1x1(torch.cat([x, x], 1) * weight)
        latent = F.leaky_relu(self.lamda * x + features, 0.2, inplace=True)
        trunk = self.local_trunk(latent)
        return self.local_head(trunk), self.global_head(self.global_trunk(trunk)), cam, latent


def plain_generator(network: Mapping[str, Any]) -> PlainGenerator:
    return PlainGenerator(*(network[name] for name in ("base_channels", "blocks", "shared_layers", "upsample")))


def plain_discriminator(network: Mapping[str, Any]) -> PlainDiscriminator:
    return PlainDiscriminator(*(network[name] for name in ("base_channels", "depth", "shared_layers")))


def towards(verdict: tuple[Tensor, ...], value: float) -> Tensor:
    return sum((F.mse_loss(logits, torch.full_like(logits, value)) for logits in verdict), torch.zeros(()))


class ReferenceStep:
    """Both phases of the published step, with its two Adam optimizers."""

    def __init__(self, network: Mapping[str, Any], device: str = "cpu") -> None:
        self.gen_a, self.gen_b = (plain_generator(network).to(device) for _ in "ab")
        self.dis_a, self.dis_b = (plain_discriminator(network).to(device) for _ in "ab")
        generators = itertools.chain(self.gen_a.parameters(), self.gen_b.parameters())
        discriminators = itertools.chain(self.dis_a.parameters(), self.dis_b.parameters())
        self.g_optim = torch.optim.Adam(generators, lr=1e-4, betas=(0.5, 0.999), weight_decay=1e-4)
        self.d_optim = torch.optim.Adam(discriminators, lr=1e-4, betas=(0.5, 0.999), weight_decay=1e-4)

    def modules(self) -> tuple[nn.Module, ...]:
        return self.gen_a, self.gen_b, self.dis_a, self.dis_b

    def __call__(self, real_a: Tensor, real_b: Tensor) -> None:
        self.discriminator_phase(real_a, real_b)
        self.generator_phase(real_a, real_b)

    def discriminator_phase(self, real_a: Tensor, real_b: Tensor) -> None:
        self.d_optim.zero_grad()
        *judged_a, latent_a = self.dis_a(real_a)
        *judged_b, latent_b = self.dis_b(real_b)
        fake_b, fake_a = self.gen_b(latent_a).detach(), self.gen_a(latent_b).detach()
        *faked_a, _ = self.dis_a(fake_a)
        *faked_b, _ = self.dis_b(fake_b)
        loss = towards(tuple(judged_a), 1) + towards(tuple(judged_b), 1)
        loss = loss + towards(tuple(faked_a), 0) + towards(tuple(faked_b), 0)
        loss.backward()
        self.d_optim.step()

    def generator_phase(self, real_a: Tensor, real_b: Tensor) -> None:
        self.g_optim.zero_grad()
        latent_a, latent_b = self.dis_a(real_a)[3], self.dis_b(real_b)[3]
        fake_b, fake_a = self.gen_b(latent_a), self.gen_a(latent_b)
        *judged_a, fake_latent_a = self.dis_a(fake_a)
        *judged_b, fake_latent_b = self.dis_b(fake_b)
        cycle = F.l1_loss(self.gen_a(fake_latent_b), real_a) + F.l1_loss(self.gen_b(fake_latent_a), real_b)
        rebuilt = F.l1_loss(self.gen_a(latent_a), real_a) + F.l1_loss(self.gen_b(latent_b), real_b)
        loss = towards(tuple(judged_a), 1) + towards(tuple(judged_b), 1) + 10 * cycle + 10 * rebuilt
        loss.backward()
        self.g_optim.step()


class ReferenceTranslation:
    """Translation as published: the whole discriminator runs, for the sake of the latent."""

    def __init__(self, network: Mapping[str, Any], device: str = "cpu") -> None:
        self.gen_b = plain_generator(network).to(device).eval()
        self.dis_a = plain_discriminator(network).to(device).eval()

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        return self.gen_b(self.dis_a(image)[3])
