"""From the configuration of UNIT to its networks and phases."""

from __future__ import annotations

import torch
from torch import nn

from nicegan.methods.base import Domain, Method, PairedModel, TranslationPath
from nicegan.methods.unit.config import NUM_DOWNS, UNIT, UNITNetwork
from nicegan.methods.unit.networks import Generator
from nicegan.methods.unit.phases import DiscriminatorPhase, GeneratorPhase, LossWeights
from nicegan.nn import init
from nicegan.nn.content_encoder import ContentEncoder
from nicegan.nn.multi_scale import MultiScaleDiscriminator
from nicegan.shapes import DOMAIN_NAMES, DomainName


class UNITDomain(Domain):
    """The encoder of a domain's images, the generator that makes such images, and their discriminator."""

    def __init__(self, name: DomainName, config: UNITNetwork) -> None:
        super().__init__(name)
        self.encoder = ContentEncoder(config.base_channels, config.blocks)
        self.generator = Generator(config.base_channels, config.blocks)
        self.discriminator = MultiScaleDiscriminator(
            config.discriminator_channels, config.discriminator_layers, config.discriminator_scales
        )


def build_method(config: UNIT) -> Method:
    """Return both domains and phases; weights by Kaiming, those of discriminators from N(0, 0.02), biases 0."""
    a, b = domains = UNITDomain("A", config.network), UNITDomain("B", config.network)
    with torch.no_grad():
        for domain in domains:
            init.kaiming(domain.encoder)
            init.kaiming(domain.generator)
            init.normal(domain.discriminator)
    if config.network.initialization == "equal":
        b.load_state_dict(a.state_dict())
    weights = LossWeights(**config.loss.model_dump())
    channels = config.network.base_channels << NUM_DOWNS
    generating: list[nn.Module] = [a.encoder, a.generator, b.encoder, b.generator]
    discriminators: list[nn.Module] = [a.discriminator, b.discriminator]
    phases = (
        GeneratorPhase("generator", domains, generating, weights, channels, 2),
        DiscriminatorPhase("discriminator", domains, discriminators, weights, channels, 1),
    )
    model = PairedModel({domain.name: TranslationPath(domain.encoder, domain.generator) for domain in domains})
    return Method(domains, phases, model)


def build_translation_model(config: UNITNetwork) -> PairedModel:
    """Return the networks of a trained model, with random weights."""

    def path() -> TranslationPath:
        return TranslationPath(
            ContentEncoder(config.base_channels, config.blocks), Generator(config.base_channels, config.blocks)
        )

    return PairedModel({name: path() for name in DOMAIN_NAMES})
