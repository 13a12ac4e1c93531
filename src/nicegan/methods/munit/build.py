"""From the configuration of MUNIT to its networks and phases."""

from __future__ import annotations

import torch
from torch import nn

from nicegan.methods.base import Method, StyledModel, StyledPath
from nicegan.methods.munit.config import MUNIT, MUNITNetwork
from nicegan.methods.munit.domain import MUNITDomain, build_generator
from nicegan.methods.munit.phases import DiscriminatorPhase, GeneratorPhase, LossWeights
from nicegan.nn import init
from nicegan.nn.content_encoder import ContentEncoder
from nicegan.nn.style_encoder import StyleEncoder
from nicegan.shapes import DOMAIN_NAMES, DomainName


def build_method(config: MUNIT) -> Method:
    """Return both domains and phases; weights by Kaiming, those of discriminators from N(0, 0.02), biases 0."""
    a, b = domains = MUNITDomain("A", config.network), MUNITDomain("B", config.network)
    paths: dict[DomainName, StyledPath] = {domain.name: domain.path() for domain in domains}
    with torch.no_grad():
        for domain in domains:
            init.kaiming(paths[domain.name])
            init.normal(domain.discriminator)
    if config.network.initialization == "equal":
        b.load_state_dict(a.state_dict())
    weights = LossWeights(**config.loss.model_dump())
    generating: list[nn.Module] = [
        network for domain in domains for network in (domain.encoder, domain.style_encoder, domain.generator)
    ]
    style_features = config.network.style_features
    phases = (
        GeneratorPhase("generator", domains, generating, weights, style_features),
        DiscriminatorPhase("discriminator", domains, [a.discriminator, b.discriminator], weights, style_features),
    )
    return Method(domains, phases, StyledModel(paths, style_features))


def build_translation_model(config: MUNITNetwork) -> StyledModel:
    """Return the networks of a trained model, with random weights."""

    def path() -> StyledPath:
        return StyledPath(
            ContentEncoder(config.base_channels, config.blocks),
            StyleEncoder(config.base_channels, config.style_features),
            build_generator(config),
        )

    return StyledModel({name: path() for name in DOMAIN_NAMES}, config.style_features)
