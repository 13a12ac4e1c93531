"""From the configuration of DRIT to its networks and phases."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from nicegan.methods.base import Method, StyledModel
from nicegan.methods.drit.config import CONTENT, DRIT, NUM_DOWNS, DRITNetwork
from nicegan.methods.drit.discriminators import ContentDiscriminator
from nicegan.methods.drit.domain import DRITDomain, build_paths
from nicegan.methods.drit.phases import (
    ContentDiscriminatorPhase,
    DiscriminatorPhase,
    GeneratorPhase,
    LossWeights,
    Players,
    StylePhase,
)
from nicegan.nn import init
from nicegan.shapes import DomainName, Image, Logits


class DRITMethod(Method):
    """Both domains, and the discriminator of their contents."""

    domains: tuple[DRITDomain, DRITDomain]

    def __init__(self, players: Players, model: StyledModel, full_every: int) -> None:
        a, b = domains = players.domains
        translating: list[nn.Module] = [*a.translating(), *b.translating()]
        phases = (
            GeneratorPhase("generator", players, [*translating, a.style_encoder, b.style_encoder], every=full_every),
            StylePhase("style", players, translating, every=full_every),
            DiscriminatorPhase("discriminator", players, [a.discriminator, b.discriminator], every=full_every),
            ContentDiscriminatorPhase(CONTENT, players, [players.content_discriminator], every=1),
        )
        super().__init__(domains, phases, model)
        self.content_discriminator = players.content_discriminator

    def discriminators(self) -> dict[DomainName, Callable[[Image], Logits]]:
        """Return what the discriminators of each domain's images say, as probabilities."""
        return {name: partial(probabilities, network) for name, network in super().discriminators().items()}


def probabilities(discriminator: Callable[[Image], Logits], image: Image) -> Logits:
    """Return how probably real each head of a discriminator finds images."""
    return {head: logits.sigmoid() for head, logits in discriminator(image).items()}


def build_method(config: DRIT) -> Method:
    """Return both domains and phases; weights of convolutions from N(0, 0.02), all else as PyTorch begins."""
    network = config.network
    paths = build_paths(network)
    a, b = (DRITDomain(name, path, network) for name, path in paths.items())
    latent_channels = network.base_channels << NUM_DOWNS
    players = Players(
        domains=(a, b),
        content_discriminator=ContentDiscriminator(latent_channels, network.content_layers),
        weights=LossWeights(**config.loss.model_dump()),
        latent_channels=latent_channels,
        style_features=network.style_features,
    )
    method = DRITMethod(players, StyledModel(paths, network.style_features), config.optimizer.full_every)
    init.normal_convolutions(method)
    return method


def build_translation_model(config: DRITNetwork) -> StyledModel:
    """Return the networks of a trained model, with random weights."""
    return StyledModel(build_paths(config), config.style_features)
