"""DRIT's training: images exchange styles, and random styles must come back from what they make.

The generators move first, then the discriminators, on what was made before that move.

The first half of a batch are the images that exchange their styles; the rest are only shown to the discriminators of
translations with random styles. The middle one of an odd number of images is in both.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nicegan.losses.consistency import l1
from nicegan.losses.cross_entropy import toward
from nicegan.methods.base import Fakes, Noise, Phase, Style, both_ways, frozen
from nicegan.methods.drit.config import NUM_DOWNS
from nicegan.methods.drit.discriminators import ContentDiscriminator
from nicegan.methods.drit.domain import DRITDomain
from nicegan.shapes import Batch, Image, Latent, Logits, Scalar, Terms

HalfOfThem = Float[Tensor, "half 3 h w"]
CHANCE_LOSS = 0.6931471805599453  # log 2: of a discriminator that says 1/2


class LossWeights(NamedTuple):
    """The weight of each kind of term; `adversarial` and `content` weigh the terms of all phases."""

    adversarial: float
    content: float
    cross_cycle: float
    reconstruction: float
    style_regression: float
    style_kl: float
    content_square: float


class Players(NamedTuple):
    """What all phases see.

    Args:
        domains: A and B.
        content_discriminator: says that contents are of B.
        weights: of the terms.
        latent_channels: of a content.
        style_features: numbers in a style.
    """

    domains: tuple[DRITDomain, DRITDomain]
    content_discriminator: ContentDiscriminator
    weights: LossWeights
    latent_channels: int
    style_features: int


class Code(NamedTuple):
    """Content and style of some images, and the divergence of the styles' distribution from N(0, 1)."""

    content: Latent
    style: Style
    divergence: Scalar


def exchanging(images: Image) -> HalfOfThem:
    """Return the first half of the images."""
    return images[: (len(images) + 1) // 2]


def for_random(images: Image) -> HalfOfThem:
    """Return the second half of the images."""
    return images[len(images) // 2 :]


class DRITPhase(Phase):
    """A phase with noise for contents and styles, and random styles that both directions share."""

    def __init__(self, name: str, players: Players, learns: list[nn.Module], *, every: int) -> None:
        super().__init__(name, players.domains, learns, every=every)
        self.domains = players.domains
        self.players, self.weights = (players,), players.weights  # a tuple hides what is not registered here
        own = {id(parameter) for parameter in self.parameters()}
        others = players.content_discriminator.parameters()
        self.frozen_parameters += tuple(parameter for parameter in others if id(parameter) not in own)

    def says(self, content: Latent) -> Tensor:
        """Return the logits that contents are of B."""
        return self.players[0].content_discriminator(content)["content"]

    def content_noise(self, image: Image, rng: torch.Generator) -> Tensor:
        """Return what is added to the contents of images, from N(0, 1)."""
        height, width = (side >> NUM_DOWNS for side in image.shape[2:])
        return torch.randn((len(image), self.players[0].latent_channels, height, width), generator=rng)

    def styles(self, image: Image, rng: torch.Generator) -> Tensor:
        """Return a random style for each image, from N(0, 1)."""
        return torch.randn((len(image), self.players[0].style_features), generator=rng)

    def look_real(self, domain: DRITDomain, kind: str, logits: Logits) -> Terms:
        """Return how far the domain's discriminators are from taking translations for real, by scale."""
        return {
            f"{domain.name}/{kind}_{head}": self.weights.adversarial * toward(one, 1.0) for head, one in logits.items()
        }


def encoded(domain: DRITDomain, image: Image, noise: Noise) -> Code:
    """Return content and style of images of a domain; the noise is that of contents, then that of styles."""
    of_content, of_style = noise
    return Code(domain.encoder(image) + of_content, *domain.style_encoder.encode(image, of_style))


class DiscriminatorPhase(DRITPhase):
    """Discriminators of images learn to separate real ones from translations, with styles of images and random ones."""

    def noise(self, batch: Batch, rng: torch.Generator) -> Noise:
        """Return, for each domain, noise for its contents and its styles, and the random styles."""
        a, b = map(exchanging, batch)
        random = self.styles(a, rng)
        own = [(self.content_noise(image, rng), self.styles(image, rng), random) for image in (a, b)]
        return (*own[0], *own[1])

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        made = fakes or self.translated(batch, noise)
        of_a, of_b = ([made[f"{domain.name}/{kind}"] for kind in ("encoded", "random")] for domain in self.domains)
        return both_ways(lambda: self.separate(a, batch.a, *of_a), lambda: self.separate(b, batch.b, *of_b))

    @torch.no_grad()
    def translated(self, batch: Batch, noise: Noise) -> Fakes:
        """Return fakes of both domains, where no generator phase of this step has left any."""
        a, b = self.domains
        *noise_a, random_a = noise[:3]
        *noise_b, random_b = noise[3:]
        code_a = encoded(a, exchanging(batch.a), tuple(noise_a))
        code_b = encoded(b, exchanging(batch.b), tuple(noise_b))
        fakes_a = with_both_styles(a, code_b.content, code_a.style, random_a)
        fakes_b = with_both_styles(b, code_a.content, code_b.style, random_b)
        return dict(zip(("A/encoded", "A/random", "B/encoded", "B/random"), (*fakes_a, *fakes_b), strict=True))

    def separate(self, domain: DRITDomain, real: Image, fake: HalfOfThem, random_fake: HalfOfThem) -> Terms:
        """Return one domain: CE(D(real), 1) + CE(D(fake), 0) of each scale, for both discriminators."""
        pair = domain.discriminator
        found = zip(
            pair.head_names,
            [
                *self.losses_of(pair.encoded, exchanging(real), fake),
                *self.losses_of(pair.random, for_random(real), random_fake),
            ],
            strict=True,
        )
        return {f"{domain.name}/{head}": self.weights.adversarial * loss for head, loss in found}

    def losses_of(self, discriminator: nn.Module, real: Image, fake: Image) -> list[Scalar]:
        """Return the loss of each scale of one discriminator."""
        halves = [logits.chunk(2) for logits in discriminator(torch.cat([real, fake])).values()]
        return [toward(of_real, 1.0) + toward(of_fake, 0.0) for of_real, of_fake in halves]

    def chance_losses(self) -> dict[str, float]:
        """Return each scale's loss when it says 1/2 to real images and fakes."""
        loss = self.weights.adversarial * 2 * CHANCE_LOSS
        return {f"{domain.name}/{head}": loss for domain in self.domains for head in domain.discriminator.head_names}


def with_both_styles(domain: DRITDomain, content: Latent, style: Style, random: Style) -> list[Image]:
    """Return the images of a domain with these contents: with the styles of its own images, and with random ones."""
    return list(domain.generator(torch.cat([content, content]), torch.cat([style, random])).chunk(2))


class ContentDiscriminatorPhase(DRITPhase):
    """The discriminator of contents learns which domain they are of."""

    def noise(self, batch: Batch, rng: torch.Generator) -> Noise:
        """Return noise for the contents of A and of B."""
        return tuple(self.content_noise(exchanging(image), rng) for image in batch)

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        """Return CE(D(content of a), 0) and CE(D(content of b), 1)."""
        made = fakes or self.contents(batch, noise)
        of_a, of_b = self.says(torch.cat([made["A/content"], made["B/content"]])).chunk(2)
        return {
            "A/content": self.weights.content * toward(of_a, 0.0),
            "B/content": self.weights.content * toward(of_b, 1.0),
        }

    @torch.no_grad()
    def contents(self, batch: Batch, noise: Noise) -> Fakes:
        """Return the contents of both domains, where no generator phase of this step has left any."""
        a, b = (
            domain.encoder(exchanging(image)) + own
            for domain, image, own in zip(self.domains, batch, noise, strict=True)
        )
        return {"A/content": a, "B/content": b}

    def chance_losses(self) -> dict[str, float]:
        """Return the loss of each domain's contents when it says 1/2 to all."""
        return {f"{domain.name}/content": self.weights.content * CHANCE_LOSS for domain in self.domains}


class GeneratorPhase(DRITPhase):
    """All encoders and generators learn to exchange styles, there and back, and contents that tell no domain."""

    def noise(self, batch: Batch, rng: torch.Generator) -> Noise:
        """Return, for each domain, noise for contents and styles of its images, then of their translations."""
        images = [image for image in map(exchanging, batch) for _ in range(2)]
        return tuple(one for image in images for one in (self.content_noise(image, rng), self.styles(image, rng)))

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        image_a, image_b = map(exchanging, batch)
        with frozen(self.frozen_parameters):  # all discriminators
            code_a, code_b = encoded(a, image_a, noise[:2]), encoded(b, image_b, noise[4:6])
            fake_a, same_a = with_both_contents(a, code_b.content, code_a)
            fake_b, same_b = with_both_contents(b, code_a.content, code_b)
            if fakes is not None:
                fakes |= {"A/encoded": fake_a.detach(), "B/encoded": fake_b.detach()}
                fakes |= {"A/content": code_a.content.detach(), "B/content": code_b.content.detach()}
            of_fake_a, of_fake_b = encoded(a, fake_a, noise[2:4]), encoded(b, fake_b, noise[6:])
            back_a = a.generator(of_fake_b.content, of_fake_a.style)
            back_b = b.generator(of_fake_a.content, of_fake_b.style)
            return both_ways(
                lambda: self.one_domain(a, image_a, code_a, fake_a, same_a, back_a),
                lambda: self.one_domain(b, image_b, code_b, fake_b, same_b, back_b),
            )

    def one_domain(  # noqa: PLR0913
        self, domain: DRITDomain, image: Image, code: Code, fake: Image, same: Image, back: Image
    ) -> Terms:
        """Return one domain's terms: its translations look real, its contents tell no domain, its images come back."""
        name, weights = domain.name, self.weights
        return {
            **self.look_real(domain, "encoded", domain.discriminator.encoded(fake)),
            f"{name}/content": weights.content * toward(self.says(code.content), 0.5),
            f"{name}/cross_cycle": weights.cross_cycle * l1(back, image),
            f"{name}/reconstruction": weights.reconstruction * l1(same, image),
            f"{name}/style_kl": weights.style_kl * code.divergence,
            f"{name}/content_square": weights.content_square * code.content.square().mean(),
        }


def with_both_contents(domain: DRITDomain, content: Latent, own: Code) -> list[Image]:
    """Return images of a domain with the styles of its own images: with other contents, and with their own."""
    styles = torch.cat([own.style, own.style])
    return list(domain.generator(torch.cat([content, own.content]), styles).chunk(2))


class StylePhase(DRITPhase):
    """Content encoders and generators learn to show random styles; style encoders say what is shown, and stay."""

    def optimizer_name(self) -> str:
        return "generator"

    def noise(self, batch: Batch, rng: torch.Generator) -> Noise:
        """Return, for each domain, noise for its contents, and the random styles."""
        a, b = map(exchanging, batch)
        random = self.styles(a, rng)
        return self.content_noise(a, rng), random, self.content_noise(b, rng), random

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        noise_a, random_a, noise_b, random_b = noise
        with frozen(self.frozen_parameters):  # style encoders and all discriminators
            content_a = a.encoder(exchanging(batch.a)) + noise_a
            content_b = b.encoder(exchanging(batch.b)) + noise_b
            made: Fakes = {} if fakes is None else fakes
            return both_ways(
                lambda: self.one_domain(a, content_b, random_a, made),
                lambda: self.one_domain(b, content_a, random_b, made),
            )

    def one_domain(self, domain: DRITDomain, content: Latent, random: Style, fakes: Fakes) -> Terms:
        """Return one domain's terms: translations with random styles look real, and their styles are read back."""
        fake = domain.generator(content, random)
        fakes[f"{domain.name}/random"] = fake.detach()
        regression = l1(domain.style_encoder(fake), random)
        terms = self.look_real(domain, "random", domain.discriminator.random(fake))
        return {**terms, f"{domain.name}/style_regression": self.weights.style_regression * regression}
