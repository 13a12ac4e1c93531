"""A plain DRIT step, to measure against. Written from the method's description, the straightforward way.

Two of three steps move the discriminator of contents alone. In the third, no parameter is frozen while images are
made, and the gradients of both generator losses come from one graph before any of its weights move: the published
second loss goes back through weights that have moved, which PyTorch refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plain_blocks import Draws, PlainBlock, PlainMultiScale, PlainStyleEncoder, adam, norm_relu, padded_conv

EVERY = 3  # steps from one that moves all networks to the next
LEAK = 0.01
Pair = tuple[Tensor, Tensor]  # of domains A and B


class PlainLayerNorm(nn.Module):
    """Layer normalisation of each image, with a weight and a bias for each channel."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(c, 1, 1)), nn.Parameter(torch.zeros(c, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[1:]) * self.weight + self.bias


def up(a: int, b: int) -> list[nn.Module]:
    conv = nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, output_padding=1)
    return [conv, PlainLayerNorm(b), nn.ReLU(inplace=True)]


def beside(x: Tensor, z: Tensor) -> Tensor:
    """Return the map with the style behind each pixel."""
    return torch.cat([x, z[..., None, None].expand(-1, -1, *x.shape[2:])], 1)


class PlainContentEncoder(nn.Module):
    def __init__(self, c: int, blocks: int) -> None:
        super().__init__()
        self.shared = PlainBlock(4 * c)
        self.own_a, self.own_b = (
            nn.Sequential(
                *padded_conv(3, c, 7, 3), nn.LeakyReLU(LEAK, inplace=True),
                *padded_conv(c, 2 * c, 3, 1, stride=2), *norm_relu(2 * c),
                *padded_conv(2 * c, 4 * c, 3, 1, stride=2), *norm_relu(4 * c),
                *(PlainBlock(4 * c) for _ in range(blocks - 1)),
            )
            for _ in "ab"
        )  # fmt: skip

    def forward(self, a: Tensor, b: Tensor, draws: Draws) -> Pair:
        found_a, found_b = self.shared(self.own_a(a)), self.shared(self.own_b(b))
        return found_a + draws.normal_like(found_a), found_b + draws.normal_like(found_b)


class PlainStyle(PlainStyleEncoder):
    """The published encoder of styles without concat: no distribution, only its mean."""

    def forward(self, x: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().forward(x).flatten(1), None


class PlainShrink(nn.Module):
    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LeakyReLU(0.2), *padded_conv(a, a, 3, 1), nn.LeakyReLU(0.2, inplace=True), *padded_conv(a, b, 3, 1),
            nn.AvgPool2d(2),
        )  # fmt: skip
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(a, b, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + self.shortcut(x)


class PlainDistribution(nn.Module):
    """The published encoder of styles with concat: mean and logarithm of the variance."""

    def __init__(self, c: int, features: int) -> None:
        super().__init__()
        self.mean, self.log_variance = nn.Linear(4 * c, features), nn.Linear(4 * c, features)
        self.layers = nn.Sequential(
            *padded_conv(3, c, 4, 1, stride=2),
            PlainShrink(c, 2 * c), PlainShrink(2 * c, 3 * c), PlainShrink(3 * c, 4 * c),
            nn.LeakyReLU(0.2, inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.layers(x)
        return self.mean(x), self.log_variance(x)


class PlainMixedBlock(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Sequential(*padded_conv(c, c, 3, 1), nn.InstanceNorm2d(c)) for _ in "12")
        self.mix1, self.mix2 = (
            nn.Sequential(
                nn.Conv2d(2 * c, 2 * c, 1), nn.ReLU(inplace=True), nn.Conv2d(2 * c, c, 1), nn.ReLU(inplace=True)
            )
            for _ in "12"
        )

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return x + self.mix2(beside(self.conv2(self.mix1(beside(self.conv1(x), z))), z))


class PlainMixedDecoder(nn.Module):
    def __init__(self, c: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(PlainMixedBlock(4 * c) for _ in range(blocks))
        self.exit = nn.Sequential(*up(4 * c, 2 * c), *up(2 * c, c), nn.ConvTranspose2d(c, 3, 1), nn.Tanh())

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        for block, piece in zip(self.blocks, z.chunk(len(self.blocks), 1), strict=True):
            x = block(x, piece)
        return self.exit(x)


class PlainMixed(nn.Module):
    """The published generator without concat."""

    def __init__(self, c: int, features: int, blocks: int) -> None:
        super().__init__()
        w = 4 * c
        self.decode_a, self.decode_b = (PlainMixedDecoder(c, blocks) for _ in "ab")
        self.mlp_a, self.mlp_b = (
            nn.Sequential(
                nn.Linear(features, w), nn.ReLU(inplace=True), nn.Linear(w, w), nn.ReLU(inplace=True),
                nn.Linear(w, blocks * w),
            )
            for _ in "ab"
        )  # fmt: skip

    def to_a(self, x: Tensor, z: Tensor) -> Tensor:
        return self.decode_a(x, self.mlp_a(z))

    def to_b(self, x: Tensor, z: Tensor) -> Tensor:
        return self.decode_b(x, self.mlp_b(z))


class PlainConcatenatedDecoder(nn.Module):
    def __init__(self, c: int, features: int, blocks: int) -> None:
        super().__init__()
        width = 4 * c + features
        self.body = nn.Sequential(*(PlainBlock(width) for _ in range(blocks - 1)))
        ups, a = [], width + features
        for _ in "12":
            ups.append(nn.Sequential(*up(a, a // 2)))
            a = a // 2 + features
        self.ups = nn.ModuleList(ups)
        self.exit = nn.Sequential(nn.ConvTranspose2d(a, 3, 1), nn.Tanh())

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        x = self.body(beside(x, z))
        for layer in (*self.ups, self.exit):
            x = layer(beside(x, z))
        return x


class PlainConcatenated(nn.Module):
    """The published generator with concat."""

    def __init__(self, c: int, features: int, blocks: int) -> None:
        super().__init__()
        self.shared = PlainBlock(4 * c)
        self.decode_a, self.decode_b = (PlainConcatenatedDecoder(c, features, blocks) for _ in "ab")

    def to_a(self, x: Tensor, z: Tensor) -> Tensor:
        return self.decode_a(self.shared(x), z)

    def to_b(self, x: Tensor, z: Tensor) -> Tensor:
        return self.decode_b(self.shared(x), z)


class PlainContentDiscriminator(nn.Sequential):
    def __init__(self, c: int, num_layers: int) -> None:
        layers: list[nn.Module] = []
        for _ in range(num_layers):
            layers += [*padded_conv(c, c, 7, 1, stride=2), nn.LeakyReLU(LEAK, inplace=True)]
        super().__init__(*layers, nn.Conv2d(c, c, 4), nn.LeakyReLU(LEAK, inplace=True), nn.Conv2d(c, 1, 1))


def bce(logits: list[Tensor], value: float) -> Tensor:
    """Return the sum over heads of the mean cross-entropy."""
    each = [F.binary_cross_entropy_with_logits(head, torch.full_like(head, value)) for head in logits]
    return torch.stack(each).sum()


def sampled(code: tuple[Tensor, Tensor | None], draws: Draws) -> Tensor:
    mean, log = code
    return mean if log is None else mean + draws.normal_like(mean) * torch.exp(log / 2)


def divergence(mean: Tensor, log: Tensor | None) -> Tensor:
    return mean.square().mean() * 0.01 if log is None else -0.005 * (1 + log - mean.square() - log.exp()).sum()


class ReferenceTranslation:
    """Translation as published, with a random style."""

    def __init__(self, network: Mapping[str, Any], device: str = "cpu") -> None:
        c, blocks, self.features = (network[name] for name in ("base_channels", "blocks", "style_features"))
        decoder = PlainConcatenated if network["style_input"] == "concatenated" else PlainMixed
        self.content = PlainContentEncoder(c, blocks).to(device)
        self.gen = decoder(c, self.features, blocks).to(device)

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        content = self.content.shared(self.content.own_a(image))
        return self.gen.to_b(content, torch.randn(len(image), self.features, device=image.device))


class ReferenceStep:
    """The published step, with its Adam optimizers, one for each network."""

    steps_of_a_cycle = EVERY  # a turn of the benchmark takes so many

    def __init__(self, network: Mapping[str, Any], device: str = "cpu") -> None:
        made, c = ReferenceTranslation(network, device), network["base_channels"]
        self.features, self.content, self.gen = made.features, made.content, made.gen
        style = PlainDistribution if network["style_input"] == "concatenated" else PlainStyle
        self.style = nn.ModuleList(style(c, self.features) for _ in "ab").to(device)
        shape = [network[f"discriminator_{name}"] for name in ("channels", "layers", "scales")]
        each = (PlainMultiScale(*shape, leak=LEAK).to(device) for _ in range(4))
        self.dis_a, self.dis_b, self.dis_a2, self.dis_b2 = each
        self.dis_content = PlainContentDiscriminator(4 * c, network["content_layers"]).to(device)
        self.optims = {net: adam(net) for net in self.modules() if net is not self.dis_content}
        self.content_optim = adam(self.dis_content, rate=4e-5)
        self.step = 0

    def modules(self) -> tuple[nn.Module, ...]:
        judging = self.dis_a, self.dis_b, self.dis_a2, self.dis_b2, self.dis_content
        return *judging, self.content, self.style, self.gen

    def __call__(self, a: Tensor, b: Tensor, random: tuple[Tensor, ...] = ()) -> None:
        """Half of the images exchange their styles; the others are for the discriminators of random styles."""
        draws = Draws(random)
        (a, a2), (b, b2) = (images.tensor_split(2) if len(images) > 1 else (images, images) for images in (a, b))
        self.step += 1
        if self.step % EVERY:
            self.content_phase(*(content.detach() for content in self.content(a, b, draws)))
            return
        self.full_step((a, b), (a2, b2), draws)

    def full_step(self, images: Pair, images2: Pair, draws: Draws) -> None:
        gen, (c_a, c_b) = self.gen, self.content(*images, draws)
        codes = [net(image) for net, image in zip(self.style, images, strict=True)]
        s_a, s_b = (sampled(code, draws) for code in codes)
        z = draws.normal(*s_a.shape, like=s_a)
        fakes, same = (gen.to_a(c_b, s_a), gen.to_b(c_a, s_b)), (gen.to_a(c_a, s_a), gen.to_b(c_b, s_b))
        with_random = gen.to_a(c_b, z), gen.to_b(c_a, z)
        self.discriminator_phase((*images, *images2), (*fakes, *with_random))
        self.content_phase(c_a.detach(), c_b.detach())
        back_b, back_a = self.content(*fakes, draws)
        back_s_a, back_s_b = (sampled(net(fake), draws) for net, fake in zip(self.style, fakes, strict=True))
        cycled = gen.to_a(back_a, back_s_a), gen.to_b(back_b, back_s_b)
        found = [net(fake)[0] for net, fake in zip(self.style, with_random, strict=True)]
        loss = bce([*self.dis_a(fakes[0]), *self.dis_b(fakes[1])], 1)
        loss = loss + bce([self.dis_content(content) for content in (c_a, c_b)], 0.5)
        for image, back, own, code, content in zip(images, cycled, same, codes, (c_a, c_b), strict=True):
            loss = loss + 10 * F.l1_loss(back, image) + 10 * F.l1_loss(own, image)
            loss = loss + 0.01 * content.square().mean() + divergence(*code)
        of_random = bce([*self.dis_a2(with_random[0]), *self.dis_b2(with_random[1])], 1)
        of_random = of_random + 10 * (F.l1_loss(found[0], z) + F.l1_loss(found[1], z))
        self.generator_phases(loss, of_random)

    def discriminator_phase(self, reals: tuple[Tensor, ...], fakes: tuple[Tensor, ...]) -> None:
        for dis, real, fake in zip((self.dis_a, self.dis_b, self.dis_a2, self.dis_b2), reals, fakes, strict=True):
            self.optims[dis].zero_grad()
            (bce(dis(real), 1) + bce(dis(fake.detach()), 0)).backward()
            self.optims[dis].step()

    def content_phase(self, of_a: Tensor, of_b: Tensor) -> None:
        self.content_optim.zero_grad()
        (bce([self.dis_content(of_a)], 0) + bce([self.dis_content(of_b)], 1)).backward()
        nn.utils.clip_grad_norm_(self.dis_content.parameters(), 5)
        self.content_optim.step()

    def generator_phases(self, loss: Tensor, of_random: Tensor) -> None:
        """Move encoders and generators by the first loss, then contents' encoders and generators by the second."""
        twice = self.content, self.gen
        again = [parameter for net in twice for parameter in net.parameters()]
        gradients = torch.autograd.grad(of_random, again, retain_graph=True, allow_unused=True)
        for net in (self.content, self.style, self.gen):
            self.optims[net].zero_grad()
        loss.backward()
        for net in (self.content, self.style, self.gen):
            self.optims[net].step()
        for parameter, gradient in zip(again, gradients, strict=True):
            parameter.grad = gradient
        for net in twice:
            self.optims[net].step()
