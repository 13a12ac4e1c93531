"""What a method is: networks owned once, phases that share out their parameters, and a model that translates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nicegan.nn.streams import second_stream
from nicegan.shapes import OTHER, Batch, DomainName, Heat, Image, Latent, Logits, Scalar, Terms

Noise = tuple[Tensor, ...]  # every random number that a phase uses, as tensors
Fakes = dict[str, Tensor]  # by-products of an earlier phase of the same step, by names of the method's own
Style = Float[Tensor, "#n style"]  # one for each image, or one for all


@contextmanager
def frozen(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Within, gradients pass through these parameters' layers but none is computed for the parameters."""
    changed = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in changed:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in changed:
            parameter.requires_grad = True


def total(terms: Terms) -> Scalar:
    """Return the sum of all terms: what a phase minimises."""
    return torch.stack(list(terms.values())).sum()


def both_ways(one: Callable[[], Terms], other: Callable[[], Terms]) -> Terms:
    """Return the terms of both directions; on a GPU they are computed side by side, on two streams."""
    if not torch.cuda.is_initialized():
        return one() | other()
    current = torch.cuda.current_stream()
    beside = second_stream(current.device)
    beside.wait_stream(current)
    terms = one()
    with torch.cuda.stream(beside):
        terms |= other()
    current.wait_stream(beside)
    return terms


class Domain(nn.Module):
    """An image domain: encoder (image to latent), generator (latent to image of this domain), discriminator."""

    encoder: Any
    generator: Any
    discriminator: Any

    def __init__(self, name: DomainName) -> None:
        super().__init__()
        self.name: DomainName = name


class Phase(nn.Module):
    """One player's move: its registered parameters are exactly what its optimizer trains; `forward` gives its terms.

    Args:
        name: of the player, for logs.
        domains: A and B. Seen by the phase, but not registered: a tuple hides them from `parameters()`.
        learns: the modules this phase trains.
        every: steps from one update of this phase to the next.
    """

    def __init__(
        self, name: str, domains: tuple[Domain, Domain], learns: Iterable[nn.Module], *, every: int = 1
    ) -> None:
        super().__init__()
        self.name = name
        self.every = every
        self.progress = 0.0  # share of the run's steps that are done: the step sets it before it asks for `noise`
        self.domains = domains
        self.learns = nn.ModuleList(learns)
        own = {id(parameter) for parameter in self.parameters()}
        everyone = [parameter for domain in domains for parameter in domain.parameters()]
        self.frozen_parameters = tuple(parameter for parameter in everyone if id(parameter) not in own)

    def noise(self, batch: Batch, rng: torch.Generator) -> Noise:
        """Return every random number of the phase for this batch, drawn from `rng` on the CPU; () if it uses none."""
        return ()

    def forward(self, batch: Batch, noise: Noise = (), fakes: Fakes | None = None) -> Terms:
        """Return the named, weighted loss terms of one batch.

        Args:
            batch: images of both domains.
            noise: what `noise` returned, on the device of the images.
            fakes: what earlier phases of this step left; a phase may add to it for later ones.
        """
        raise NotImplementedError

    def is_due(self, step: int) -> bool:
        """Return whether the phase is updated in this step; steps count from 0."""
        return (step + 1) % self.every == 0

    def optimizer_name(self) -> str:
        """Return the phase whose optimizer updates this one, by name: itself, or another with these parameters."""
        return self.name

    def after_update(self) -> None:
        """Do what must follow every update of this phase's parameters."""

    def running_means(self) -> list[Tensor]:
        """Return what the phase measures over its updates: after each, the step makes it the mean of all processes."""
        return []

    def chance_losses(self) -> dict[str, float]:
        """Return, for terms of a discriminator, the value that they have when it only guesses."""
        return {}

    @cached_property
    def learned(self) -> tuple[nn.Parameter, ...]:
        """The parameters that this phase trains, listed once: a walk over all modules at every step takes its time."""
        return tuple(self.parameters())

    def trains(self, module: nn.Module) -> bool:
        """Return whether this phase trains any parameter of `module`."""
        own = {id(parameter) for parameter in self.learned}
        return any(id(parameter) in own for parameter in module.parameters())


class TranslationModel(nn.Module):
    """What is averaged during training, saved, exported and translated with."""

    def encode(self, image: Image, domain: DomainName) -> Latent:
        """Return the latent of images of `domain`."""
        raise NotImplementedError

    def decode(self, latent: Latent, domain: DomainName, style: Style | None = None) -> Image:
        """Return images of `domain` for latents that were encoded for it.

        Args:
            latent: what `encode` returned.
            domain: of the images.
            style: of a model with styles (`HasStyles`); None is the zero style, the mean of the random ones.
        """
        raise NotImplementedError

    def reconstruct(self, image: Image, domain: DomainName) -> Image:
        """Return images of `domain` as the method makes them from themselves."""
        raise NotImplementedError

    def translate(self, image: Image, to: DomainName, style: Style | None = None) -> Image:
        """Return fakes of the domain `to` from images of the other domain."""
        return self.decode(self.encode(image, OTHER[to]), to, style)


@runtime_checkable
class HasHeatmap(Protocol):
    """A translation model that can say where its encoder looks."""

    def heatmap(self, image: Image, domain: DomainName) -> Heat:
        """Return the attention over images of `domain`, at their size, each over its own range in [0, 1]."""
        ...


@runtime_checkable
class HasStyles(Protocol):
    """A translation model that makes several translations of one image."""

    style_features: int

    def sample_styles(self, count: int, rng: torch.Generator) -> Style:
        """Return `count` random styles, (count, style_features), drawn from `rng` on the CPU."""
        ...

    def encode_style(self, image: Image, domain: DomainName) -> Style:
        """Return the style of images of `domain`, (n, style_features)."""
        ...


class TranslationPath(nn.Module):
    """The two parts of a domain that translation needs."""

    def __init__(self, encoder: nn.Module, generator: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.generator = generator


class PairedModel(TranslationModel):
    """An encoder and a generator for each domain, as "A" and "B"."""

    def __init__(self, paths: Mapping[DomainName, TranslationPath]) -> None:
        super().__init__()
        for name, path in paths.items():
            self.add_module(name, path)

    def path(self, domain: str) -> TranslationPath:
        """Return the networks of `domain`."""
        path = self.get_submodule(domain)
        assert isinstance(path, TranslationPath)
        return path

    def encode(self, image: Image, domain: DomainName) -> Latent:
        return self.path(domain).encoder(image)

    def decode(self, latent: Latent, domain: DomainName, style: Style | None = None) -> Image:
        return self.path(domain).generator(latent)

    def reconstruct(self, image: Image, domain: DomainName) -> Image:
        return self.decode(self.encode(image, domain), domain)


class HalvesModel(PairedModel):
    """A PairedModel whose encoder of A and generator of B are the two halves of one network."""

    def reconstruct(self, image: Image, domain: DomainName) -> Image:
        """Return the identity mapping: images of `domain` through the network that makes such images."""
        return self.decode(self.encode(image, OTHER[domain]), domain)


class StyledPath(TranslationPath):
    """The parts of a domain with styles: its generator takes a latent and a style."""

    def __init__(self, encoder: nn.Module, style_encoder: nn.Module, generator: nn.Module) -> None:
        super().__init__(encoder, generator)
        self.style_encoder = style_encoder


class StyledModel(PairedModel):
    """A PairedModel whose translations have a style: a random one, or that of an image (`HasStyles`)."""

    def __init__(self, paths: Mapping[DomainName, StyledPath], style_features: int) -> None:
        super().__init__(paths)
        self.style_features = style_features

    def decode(self, latent: Latent, domain: DomainName, style: Style | None = None) -> Image:
        if style is None:
            style = latent.new_zeros((1, self.style_features))
        return self.path(domain).generator(latent, style.expand(len(latent), -1))

    def reconstruct(self, image: Image, domain: DomainName) -> Image:
        """Return images of `domain` from their own latents and styles."""
        return self.decode(self.encode(image, domain), domain, self.encode_style(image, domain))

    def sample_styles(self, count: int, rng: torch.Generator) -> Style:
        """Return standard normal numbers."""
        return torch.randn((count, self.style_features), generator=rng)

    def encode_style(self, image: Image, domain: DomainName) -> Style:
        path = self.path(domain)
        assert isinstance(path, StyledPath)
        return path.style_encoder(image)


class Method(nn.Module):
    """Every network once, under "A" and "B" (and names of the method's own), and the phases of one step, in order."""

    def __init__(
        self, domains: tuple[Domain, Domain], phases: Iterable[Phase], translation_model: TranslationModel
    ) -> None:
        super().__init__()
        for domain in domains:
            self.add_module(domain.name, domain)
        self.domains = domains
        self.phases = tuple(phases)  # a tuple: what a phase registers is registered in its domain already
        self._translation_model = (translation_model,)

    def translation_model(self) -> TranslationModel:
        """Return what a trained model keeps; it shares its networks with this method."""
        return self._translation_model[0]

    def discriminators(self) -> dict[DomainName, Callable[[Image], Logits]]:
        """Return the discriminator of each domain, on the scale on which 0 is fake and 1 is real."""
        return {domain.name: domain.discriminator for domain in self.domains}

    def steps_of_a_cycle(self) -> int:
        """Return after how many steps every phase has been due."""
        return math.lcm(*(phase.every for phase in self.phases))

    def process_state(self) -> dict[str, Tensor]:
        """Return what one process remembers besides the weights: image pools. Each process has its own."""
        return {}

    def load_process_state(self, state: Mapping[str, Tensor]) -> None:
        """Become what `process_state` said."""


def unique_state(module: nn.Module) -> dict[str, Tensor]:
    """Return the module's state with every tensor under its first name: safetensors refuses shared memory."""
    named = module.state_dict(keep_vars=True)
    first = {id(tensor): name for name, tensor in reversed(named.items())}
    return {name: tensor.detach() for name, tensor in named.items() if first[id(tensor)] == name}
