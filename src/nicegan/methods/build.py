"""The only place that reads a configuration to make networks and phases."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from torch import nn

from nicegan.methods.base import Method
from nicegan.methods.nicegan import DiscriminatorPhase, GeneratorPhase, LossWeights
from nicegan.models.discriminator import Classifiers, Discriminator
from nicegan.models.domain import Domain, IndependentDomain, NiceDomain, TranslationPath, TranslationPaths
from nicegan.models.encoder import Encoder
from nicegan.models.generator import FlatSummary, Generator, PooledSummary
from nicegan.nn.attention import ClassActivation, PlainAttention, ResidualAttention

if TYPE_CHECKING:
    from nicegan.config import LossConfig, NetworkConfig


def build_encoder(config: NetworkConfig, *, judges: bool) -> Encoder:
    """An encoder; `judges` says whether it is a discriminator's, so that its CAM may also be the classifier C0."""
    channels = config.base_channels << (config.shared_layers - 1)
    attentions = {"residual": ResidualAttention, "plain": PlainAttention}
    wanted = config.attention if not judges or config.attention_learns else "none"
    attention = attentions[wanted](channels) if wanted in attentions else None
    cam = ClassActivation(channels) if attention is not None or (judges and "cam" in config.classifiers) else None
    return Encoder(config.base_channels, config.shared_layers, attention, cam)


def build_generator(config: NetworkConfig, size: tuple[int, int]) -> Generator:
    """A generator for images of `size` (height, width), which only the flat summary needs to know."""
    latent_channels = config.base_channels << (config.shared_layers - 1)
    width = 2 * latent_channels
    if config.summary == "pooled":
        summary = PooledSummary(width)
    else:
        summary = FlatSummary(width, size[0] >> config.shared_layers, size[1] >> config.shared_layers)
    return Generator(latent_channels, config.blocks, config.shared_layers, summary)


def build_discriminator(config: NetworkConfig) -> Discriminator:
    """A discriminator: an encoder that judges, with the classifiers on top."""
    heads = config.classifiers
    classifiers = Classifiers(config.base_channels, config.shared_layers, config.depth, heads)
    return Discriminator(build_encoder(config, judges=True), classifiers, heads, config.depth)


def build_domain(name: str, config: NetworkConfig, size: tuple[int, int]) -> Domain:
    """One domain with its three parts."""
    generator, discriminator = build_generator(config, size), build_discriminator(config)
    if config.encoder == "reused":
        return NiceDomain(name, generator, discriminator)
    return IndependentDomain(name, generator, discriminator, build_encoder(config, judges=False))


def build_translation_paths(config: NetworkConfig, size: tuple[int, int]) -> TranslationPaths:
    """The networks of a trained model without its classifiers: what `Method.translation_paths` gives, unloaded."""
    judges = config.encoder == "reused"
    return TranslationPaths(
        {name: TranslationPath(build_encoder(config, judges=judges), build_generator(config, size)) for name in "AB"}
    )


def build_method(config: NetworkConfig, loss: LossConfig, size: tuple[int, int]) -> Method:
    """Two domains and the two phases that share out their parameters."""
    domains = (build_domain("A", config, size), build_domain("B", config, size))
    weights = LossWeights(loss.adversarial, loss.cycle, loss.reconstruction)
    learners = [_learners(domain, config) for domain in domains]
    judging = [module for of_domain in learners for module in of_domain.judging]
    drawing = [module for of_domain in learners for module in of_domain.drawing]
    return Method(domains, (DiscriminatorPhase(domains, judging, weights), GeneratorPhase(domains, drawing, weights)))


class Learners(NamedTuple):
    """What of a domain the discriminator phase trains, and what the generator phase."""

    judging: list[nn.Module]
    drawing: list[nn.Module]


def _learners(domain: Domain, config: NetworkConfig) -> Learners:
    if isinstance(domain, IndependentDomain):
        return Learners([domain.discriminator], [domain.generator, domain.encoder])
    if config.encoder_trained_by == "discriminator":
        return Learners([domain.discriminator], [domain.generator])

    encoder = domain.encoder
    encoding: list[nn.Module] = [encoder.layers, *([encoder.attention] if encoder.attention else [])]
    judging: list[nn.Module] = [domain.discriminator.classifiers]
    if encoder.cam is not None:  # the classifier C0 where it judges, else a part of the attention
        (judging if "cam" in config.classifiers else encoding).append(encoder.cam)
    if config.encoder_trained_by == "both":  # what no verdict depends on is left to the generators
        judging += encoding if config.has_patch_head else [encoder.layers]
    return Learners(judging, [domain.generator, *encoding])
