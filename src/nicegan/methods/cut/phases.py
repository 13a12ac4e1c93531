"""CUT's training: the generators move first with what describes their patches, then the discriminators, on fakes made
before that move.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nicegan.losses import lsgan
from nicegan.losses.contrastive import patch_nce
from nicegan.methods.base import Fakes, Noise, Phase, both_ways, frozen
from nicegan.methods.cut.domain import CUTDomain
from nicegan.methods.cut.networks import Layers, layer_sizes
from nicegan.shapes import Batch, Image, Scalar, Terms

NUM_LAYERS = 5  # that patches are compared in


class Losses(NamedTuple):
    """The weights of the terms, and how patches are compared."""

    adversarial: float
    contrastive: float
    identity: float
    temperature: float
    patches: int
    flip_equivariance: bool


class PatchIndices(NamedTuple):
    """Which patches of each layer are compared, of a source and of an example; and whether the source is mirrored."""

    of_image: list[Tensor]
    of_example: list[Tensor]
    is_mirrored: Tensor


class Way(NamedTuple):
    """One direction: its domains, the images of both, which patches are compared, and where its fakes are left."""

    source: CUTDomain
    target: CUTDomain
    image: Image
    example: Image
    indices: PatchIndices
    fakes: Fakes

    def leave(self, fake: Image) -> Image:
        """Leave a fake for the discriminators; returns it."""
        self.fakes[self.target.name] = fake.detach()
        return fake


class DiscriminatorPhase(Phase):
    """Discriminators learn to separate real images from fakes; no encoder or generator is in the graph."""

    def __init__(self, domains: tuple[CUTDomain, CUTDomain], learns: list[nn.Module], losses: Losses) -> None:
        super().__init__("discriminator", domains, learns)
        self.domains = domains
        self.losses = losses

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        made = fakes or self.translated(batch)
        return both_ways(lambda: self.separate(a, batch.a, made["A"]), lambda: self.separate(b, batch.b, made["B"]))

    def separate(self, domain: CUTDomain, real: Image, fake: Image) -> Terms:
        """Return one domain: 1/2 mean (D(real) - 1)^2 + 1/2 mean D(fake)^2, as two terms."""
        of_real, of_fake = domain.discriminator(torch.cat([real, fake]))["patch"].chunk(2)
        half = self.losses.adversarial / 2
        return {
            f"{domain.name}/real": half * lsgan.toward_real(of_real),
            f"{domain.name}/fake": half * lsgan.toward_fake(of_fake),
        }

    @torch.no_grad()
    def translated(self, batch: Batch) -> Fakes:
        """Return fakes of both domains, where no generator phase of this step has left any."""
        a, b = self.domains
        return {"A": a.generator(b.encoder(batch.b)), "B": b.generator(a.encoder(batch.a))}

    def chance_losses(self) -> dict[str, float]:
        """Return weight/2 * (1/2)^2 for each term: a discriminator that says 1/2 to everything."""
        loss = self.losses.adversarial / 2 * 0.25
        return {f"{domain.name}/{kind}": loss for domain in self.domains for kind in ("real", "fake")}


class GeneratorPhase(Phase):
    """Encoders, generators and patch samplers learn to fool, and to keep each patch near its own of the source."""

    def __init__(self, domains: tuple[CUTDomain, CUTDomain], learns: list[nn.Module], losses: Losses) -> None:
        super().__init__("generator", domains, learns)
        self.domains = domains
        self.losses = losses

    def noise(self, batch: Batch, rng: torch.Generator) -> Noise:
        """Return, for each direction, the indices of the patches in each layer, twice, and one uniform number."""
        random: list[Tensor] = []
        for image in batch:
            for num_pixels in 2 * layer_sizes((image.shape[2], image.shape[3])):
                random.append(torch.randperm(num_pixels, generator=rng)[: self.losses.patches])
            random.append(torch.rand(1, generator=rng))
        return tuple(random)

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        a, b = self.domains
        of_a, of_b = (self.indices(half) for half in (noise[: len(noise) // 2], noise[len(noise) // 2 :]))
        one_way = self.mirrored_way if self.losses.flip_equivariance else self.one_way
        made: Fakes = {} if fakes is None else fakes
        with frozen(self.frozen_parameters):  # both discriminators
            return both_ways(
                lambda: one_way(Way(a, b, batch.a, batch.b, of_a, made)),
                lambda: one_way(Way(b, a, batch.b, batch.a, of_b, made)),
            )

    def indices(self, random: Noise) -> PatchIndices:
        """Return one direction's random numbers by what they are for."""
        *indices, uniform = random
        return PatchIndices(list(indices[:NUM_LAYERS]), list(indices[NUM_LAYERS:]), uniform < 1 / 2)

    def one_way(self, way: Way) -> Terms:
        """One direction: mean (D_B(G(a)) - 1)^2, patches of G(a) near theirs in a, and the same for G(b) and b."""
        source, target, image, example, indices, _ = way
        made, keys = translated(source, target, torch.cat([image, example]))
        fake = way.leave(made.chunk(2)[0])
        queries = layers_of(source, target, made)
        (of_fake, of_same), (of_image, of_example) = halves(queries), halves(keys)
        return {
            f"{target.name}/patch": self.look_real(target, fake),
            f"{target.name}/contrastive": self.losses.contrastive
            * self.contrast(source, of_fake, of_image, indices.of_image),
            f"{target.name}/identity": self.losses.identity
            * self.contrast(source, of_same, of_example, indices.of_example),
        }

    def mirrored_way(self, way: Way) -> Terms:
        """One direction of FastCUT: half of the sources are mirrored, and no example is translated."""
        source, target, image, _, indices, _ = way
        fake = way.leave(target.generator(source.encoder(mirrored(image, indices.is_mirrored))))
        queries = [mirrored(layer, indices.is_mirrored) for layer in layers_of(source, target, fake)]
        with torch.no_grad():
            keys = layers_of(source, target, image)
        return {
            f"{target.name}/patch": self.look_real(target, fake),
            f"{target.name}/contrastive": self.losses.contrastive
            * self.contrast(source, queries, keys, indices.of_image),
        }

    def look_real(self, target: CUTDomain, fake: Image) -> Scalar:
        """Return the weighted mean (D(fake) - 1)^2."""
        return self.losses.adversarial * lsgan.toward_real(target.discriminator(fake)["patch"])

    def contrast(self, source: CUTDomain, queries: Layers, keys: Layers, indices: list[Tensor]) -> Scalar:
        """Return the mean over layers of how badly patches of `queries` find their own among those of `keys`."""
        with torch.no_grad():
            wanted = source.sampler(keys, indices)
        found = source.sampler(queries, indices)
        temperature = self.losses.temperature
        each = [patch_nce(query, key, temperature) for query, key in zip(found, wanted, strict=True)]
        return torch.stack(each).mean()


def translated(source: CUTDomain, target: CUTDomain, image: Image) -> tuple[Image, Layers]:
    """Return translations, and the layers of the images themselves on the way."""
    latent, outer = source.encoder.with_layers(image)
    fake, inner = target.generator.with_layers(latent)
    return fake, [layer.detach() for layer in (*outer, *inner)]


def layers_of(source: CUTDomain, target: CUTDomain, image: Image) -> Layers:
    """Return the layers of images in the network from source to target."""
    latent, outer = source.encoder.with_layers(image)
    return [*outer, *target.generator.layers(latent)]


def mirrored(x: Tensor, is_mirrored: Tensor) -> Tensor:
    """Return maps left to right where the flag is set."""
    return torch.where(is_mirrored, x.flip(3), x)


def halves(layers: Layers) -> tuple[Layers, Layers]:
    """Return the layers of the first and of the second half of the images."""
    pairs = [layer.chunk(2) for layer in layers]
    return [one for one, _ in pairs], [other for _, other in pairs]
