"""From the configuration of U-GAT-IT to its networks and phases."""

from __future__ import annotations

from torch import nn

from nicegan.config import Size
from nicegan.methods.base import HalvesModel, Method, TranslationPath
from nicegan.methods.ugatit.config import UGATIT, UGATITNetwork
from nicegan.methods.ugatit.domain import UGATITDomain, build_generator
from nicegan.methods.ugatit.networks import Encoder
from nicegan.methods.ugatit.phases import DiscriminatorPhase, GeneratorPhase, LossWeights
from nicegan.nn.heat import enlarged
from nicegan.shapes import DOMAIN_NAMES, DomainName, Heat, Image


class UGATITModel(HalvesModel):
    """A HalvesModel whose encoders also say where they look."""

    def heatmap(self, image: Image, domain: DomainName) -> Heat:
        latent = self.encode(image, domain)
        return enlarged(latent.sum(dim=1, keepdim=True), (image.shape[2], image.shape[3]))


def build_method(config: UGATIT, size: Size) -> Method:
    """Return both domains and phases, with PyTorch's initial weights, as published."""
    a, b = domains = UGATITDomain("A", config.network, size), UGATITDomain("B", config.network, size)
    weights = LossWeights(**config.loss.model_dump())
    generating: list[nn.Module] = [a.encoder, a.generator, b.encoder, b.generator]
    phases = (
        DiscriminatorPhase(domains, [a.discriminator, b.discriminator], weights),
        GeneratorPhase(domains, generating, weights),
    )
    model = UGATITModel({domain.name: TranslationPath(domain.encoder, domain.generator) for domain in domains})
    return Method(domains, phases, model)


def build_translation_model(config: UGATITNetwork, size: Size) -> UGATITModel:
    """Return the networks of a trained model, with random weights."""
    paths: dict[DomainName, TranslationPath] = {
        name: TranslationPath(Encoder(config.base_channels, config.blocks), build_generator(config, size))
        for name in DOMAIN_NAMES
    }
    return UGATITModel(paths)
