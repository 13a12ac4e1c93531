"""From the configuration of CUT to its networks and phases."""

from __future__ import annotations

import torch
from torch import nn

from nicegan.methods.base import HalvesModel, Method, TranslationPath
from nicegan.methods.cut.config import CUT, CUTNetwork
from nicegan.methods.cut.domain import CUTDomain
from nicegan.methods.cut.networks import Encoder, Generator
from nicegan.methods.cut.phases import DiscriminatorPhase, GeneratorPhase, Losses
from nicegan.nn import init
from nicegan.shapes import DOMAIN_NAMES, DomainName


def build_method(config: CUT) -> Method:
    """Return both domains and phases; weights by Xavier with gain 0.02, biases 0, as published."""
    a, b = domains = CUTDomain("A", config.network), CUTDomain("B", config.network)
    with torch.no_grad():
        for domain in domains:
            init.xavier(domain)
    losses = Losses(**config.loss.model_dump())
    generating: list[nn.Module] = [
        network for domain in domains for network in (domain.encoder, domain.generator, domain.sampler)
    ]
    phases = (
        GeneratorPhase(domains, generating, losses),
        DiscriminatorPhase(domains, [a.discriminator, b.discriminator], losses),
    )
    model = HalvesModel({domain.name: TranslationPath(domain.encoder, domain.generator) for domain in domains})
    return Method(domains, phases, model)


def build_translation_model(config: CUTNetwork) -> HalvesModel:
    """Return the networks of a trained model, with random weights."""
    paths: dict[DomainName, TranslationPath] = {
        name: TranslationPath(Encoder(config.base_channels), Generator(config.base_channels, config.blocks))
        for name in DOMAIN_NAMES
    }
    return HalvesModel(paths)
