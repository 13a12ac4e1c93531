"""From the configuration of CycleGAN to its networks and phases."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nicegan.methods.base import Domain, HalvesModel, Method, TranslationPath
from nicegan.methods.cyclegan.config import CycleGAN, CycleGANNetwork
from nicegan.methods.cyclegan.networks import Discriminator, Encoder, Generator
from nicegan.methods.cyclegan.phases import DiscriminatorPhase, GeneratorPhase, LossWeights
from nicegan.methods.cyclegan.pool import ImagePool
from nicegan.nn import init
from nicegan.shapes import DOMAIN_NAMES, DomainName


class CycleGANDomain(Domain):
    """The encoder of a domain's images, the generator that makes such images, and their discriminator."""

    def __init__(self, name: DomainName, config: CycleGANNetwork) -> None:
        super().__init__(name)
        self.encoder = Encoder(config.base_channels)
        self.generator = Generator(config.base_channels, config.blocks)
        self.discriminator = Discriminator(config.discriminator_channels)


class CycleGANMethod(Method):
    """A method that remembers a pool of fakes for each domain."""

    def __init__(self, domains: tuple[Domain, Domain], weights: LossWeights, pool_size: int) -> None:
        a, b = domains
        self.pools: Mapping[str, ImagePool] = {"A": ImagePool(pool_size), "B": ImagePool(pool_size)}
        generating: list[nn.Module] = [a.encoder, a.generator, b.encoder, b.generator]
        phases = (
            GeneratorPhase(domains, generating, weights),
            DiscriminatorPhase(
                domains, [a.discriminator, b.discriminator], weights, (self.pools["A"], self.pools["B"])
            ),
        )
        model = HalvesModel({domain.name: TranslationPath(domain.encoder, domain.generator) for domain in domains})
        super().__init__(domains, phases, model)

    def process_state(self) -> dict[str, Tensor]:
        return {
            f"pool.{domain}.{name}": tensor
            for domain, pool in self.pools.items()
            for name, tensor in pool.state_dict().items()
        }

    def load_process_state(self, state: Mapping[str, Tensor]) -> None:
        device = next(self.parameters()).device
        for domain, pool in self.pools.items():
            prefix = f"pool.{domain}."
            own = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
            pool.load_state_dict(own, device)


def build_method(config: CycleGAN) -> CycleGANMethod:
    """Return both domains and phases; all weights drawn from N(0, 0.02), biases 0, as published."""
    domains = CycleGANDomain("A", config.network), CycleGANDomain("B", config.network)
    with torch.no_grad():
        for domain in domains:
            init.normal(domain)
    weights = LossWeights(config.loss.adversarial, config.loss.cycle, config.loss.identity)
    return CycleGANMethod(domains, weights, config.network.pool_size)


def build_translation_model(config: CycleGANNetwork) -> HalvesModel:
    """Return the networks of a trained model, with random weights."""
    paths: dict[DomainName, TranslationPath] = {
        name: TranslationPath(Encoder(config.base_channels), Generator(config.base_channels, config.blocks))
        for name in DOMAIN_NAMES
    }
    return HalvesModel(paths)
