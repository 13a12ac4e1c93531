"""From the configuration of NICE-GAN to its networks and phases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from torch import Tensor, nn

from nicegan.config import Size
from nicegan.methods.base import Method, PairedModel, Phase, TranslationPath
from nicegan.methods.nicegan.additions import LogitMeans, R1Phase
from nicegan.methods.nicegan.config import Augmentation, Downsample, NiceGAN, NiceGANNetwork
from nicegan.methods.nicegan.discriminator import Classifiers, Discriminator
from nicegan.methods.nicegan.domain import AnyDomain, IndependentDomain, NiceDomain
from nicegan.methods.nicegan.encoder import BlurredDownLayer, Encoder, Halving, heatmap, strided
from nicegan.methods.nicegan.generator import Generator
from nicegan.methods.nicegan.phases import DiscriminatorPhase, GeneratorPhase, LossWeights
from nicegan.nn.attention import ClassActivation, PlainAttention, ResidualAttention
from nicegan.nn.diff_augment import DiffAugment, Transform, cut_out, translate
from nicegan.nn.heat import enlarged
from nicegan.nn.style import FlatSummary, PooledSummary
from nicegan.shapes import DomainName, Heat, Image

AUGMENTATIONS: dict[Augmentation, Transform] = {"translation": translate, "cutout": cut_out}
HALVINGS: dict[Downsample, Halving] = {"strided": strided, "blurred": BlurredDownLayer}


def build_encoder(config: NiceGANNetwork, *, is_discriminator: bool) -> Encoder:
    """Return an encoder; that of a discriminator has a CAM that may also be the classifier C0."""
    channels = config.base_channels << (config.shared_layers - 1)
    attentions = {"residual": ResidualAttention, "plain": PlainAttention}
    wanted = config.attention if not is_discriminator or config.attention_learns else "none"
    attention = attentions[wanted](channels) if wanted in attentions else None
    cam = (
        ClassActivation(channels)
        if attention is not None or (is_discriminator and "cam" in config.classifiers)
        else None
    )
    return Encoder(config.base_channels, config.shared_layers, attention, cam, HALVINGS[config.downsample])


def build_generator(config: NiceGANNetwork, size: Size) -> Generator:
    """Return a generator for images of `size` (height, width), which only the flat summary needs to know."""
    latent_channels = config.base_channels << (config.shared_layers - 1)
    width = 2 * latent_channels
    if config.summary == "pooled":
        summary = PooledSummary(width)
    else:
        summary = FlatSummary(width, size[0] >> config.shared_layers, size[1] >> config.shared_layers)
    return Generator(latent_channels, config.blocks, config.shared_layers, summary, config.upsample)


def build_discriminator(config: NiceGANNetwork) -> Discriminator:
    """Return a discriminator: an encoder with the classifiers on top."""
    heads = config.classifiers
    halving = HALVINGS[config.downsample]
    classifiers = Classifiers(config.base_channels, config.shared_layers, config.depth, heads, halving)
    return Discriminator(build_encoder(config, is_discriminator=True), classifiers, heads, config.depth)


def build_domain(name: DomainName, config: NiceGANNetwork, size: Size) -> AnyDomain:
    """Return one domain with its three parts."""
    generator, discriminator = build_generator(config, size), build_discriminator(config)
    if config.encoder == "reused":
        return NiceDomain(name, generator, discriminator)
    return IndependentDomain(name, generator, discriminator, build_encoder(config, is_discriminator=False))


class NiceGANModel(PairedModel):
    """A PairedModel whose encoders also say where they look."""

    def heatmap(self, image: Image, domain: DomainName) -> Heat:
        return enlarged(heatmap(self.encode(image, domain)), (image.shape[2], image.shape[3]))


def build_translation_model(config: NiceGANNetwork, size: Size) -> NiceGANModel:
    """Return the networks of a trained model without its classifiers, with random weights."""
    reused = config.encoder == "reused"
    names: tuple[DomainName, ...] = ("A", "B")
    return NiceGANModel(
        {
            name: TranslationPath(build_encoder(config, is_discriminator=reused), build_generator(config, size))
            for name in names
        }
    )


class NiceGANMethod(Method):
    """A Method that remembers means of logits, if a loss uses them: the same in every process.

    Args:
        domains: A and B.
        phases: of a step.
        model: what translates.
        logit_means: by domain; may be empty.
    """

    def __init__(
        self,
        domains: tuple[AnyDomain, AnyDomain],
        phases: Iterable[Phase],
        model: NiceGANModel,
        logit_means: dict[str, LogitMeans],
    ) -> None:
        super().__init__(domains, phases, model)
        self.logit_means = nn.ModuleDict(logit_means)

    def process_state(self) -> dict[str, Tensor]:
        return {f"logit_means.{name}": logit_means.means for name, logit_means in self._logit_means()}

    def load_process_state(self, state: Mapping[str, Tensor]) -> None:
        for name, logit_means in self._logit_means():
            logit_means.load(state.get(f"logit_means.{name}"))

    def _logit_means(self) -> Iterator[tuple[str, LogitMeans]]:
        for name, module in self.logit_means.items():
            assert isinstance(module, LogitMeans)
            yield name, module


def build_method(config: NiceGAN, size: Size) -> Method:
    """Return two domains and the phases that share out their parameters."""
    domains = build_domain("A", config.network, size), build_domain("B", config.network, size)
    if config.network.initialization == "equal":
        domains[1].load_state_dict(domains[0].state_dict())
    loss = config.loss
    weights = LossWeights(**loss.model_dump(include=set(LossWeights._fields)))
    augment = DiffAugment(tuple(AUGMENTATIONS[name] for name in loss.augment))
    logit_means = {domain.name: LogitMeans(domain.discriminator.head_names) for domain in domains if loss.lecam}
    learners = [learners_of(domain, config.network) for domain in domains]
    discriminating = [module for one in learners for module in one.discriminating]
    generating = [module for one in learners for module in one.generating]
    penalties = [R1Phase(domains, discriminating, loss.r1, every=loss.r1_every, augment=augment)] if loss.r1 else []
    phases = (
        DiscriminatorPhase(domains, discriminating, weights, augment, logit_means),
        *penalties,
        GeneratorPhase(domains, generating, weights, augment),
    )
    model = NiceGANModel({domain.name: TranslationPath(domain.encoder, domain.generator) for domain in domains})
    return NiceGANMethod(domains, phases, model, logit_means)


class Learners(NamedTuple):
    """What of a domain the discriminator phase trains, and what the generator phase."""

    discriminating: list[nn.Module]
    generating: list[nn.Module]


def learners_of(domain: AnyDomain, config: NiceGANNetwork) -> Learners:
    """Return who trains what, a row for each value of `encoder_trained_by`.

    A cam that is a head of the discriminator (C0) is trained with it in every row. Coupled training without a patch
    head leaves the attention to the generators: no logit of the discriminator depends on it.
    """
    encoder, discriminator, generator = domain.encoder, domain.discriminator, domain.generator
    if isinstance(domain, IndependentDomain):
        return Learners([discriminator], [generator, encoder])
    heads: list[nn.Module] = [discriminator.classifiers, *_cam(encoder, is_head="cam" in config.classifiers)]
    layers: list[nn.Module] = [encoder.layers]
    attention = [*([encoder.attention] if encoder.attention else []), *_cam_of_attention(encoder, config)]
    read_by_discriminator = attention if config.has_patch_head else []
    return {
        "discriminator": Learners([discriminator], [generator]),
        "both": Learners([*heads, *layers, *read_by_discriminator], [generator, *layers, *attention]),
        "generator": Learners(heads, [generator, *layers, *attention]),
    }[config.encoder_trained_by]


def _cam(encoder: Encoder, *, is_head: bool) -> list[nn.Module]:
    return [encoder.cam] if encoder.cam is not None and is_head else []


def _cam_of_attention(encoder: Encoder, config: NiceGANNetwork) -> list[nn.Module]:
    return _cam(encoder, is_head="cam" not in config.classifiers)
