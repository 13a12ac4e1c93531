"""Shapes, sizes and weights of the networks."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from tests.conftest import TINY
from torch import nn

from nicegan.errors import ConfigError
from nicegan.methods.nicegan import geometry
from nicegan.methods.nicegan.build import build_domain, build_translation_model
from nicegan.methods.nicegan.config import Downsample, NiceGAN, NiceGANNetwork
from nicegan.methods.nicegan.generator import Upsample, build_up
from nicegan.recipes import RECIPES
from nicegan.run_config import RunConfig


def num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("recipe", "generators", "discriminators"),
    [("nicegan", 16.21, 93.75), ("nicegan-star", 11.49, 93.75), ("nicegan-full", 552.9, 93.75)],
)
def test_the_papers_parameter_counts(recipe: str, generators: float, discriminators: float) -> None:
    """In millions, both directions; method.md section 2."""
    config = RECIPES[recipe]
    assert isinstance(config.method, NiceGAN)
    with torch.device("meta"):
        domain = build_domain("A", config.method.network, config.size)
    assert 2e-6 * num_parameters(domain.generator) == pytest.approx(generators, abs=0.05)
    assert 2e-6 * num_parameters(domain.discriminator) == pytest.approx(discriminators, abs=0.05)


@pytest.mark.parametrize(("height", "width"), [(48, 48), (48, 100), (84, 52), (64, 128)])
def test_any_size_the_padding_allows(height: int, width: int) -> None:
    domain = build_domain("A", TINY, (height, width))
    image = torch.rand(2, 3, height, width)
    reading = domain.read(image)
    assert reading.latent.shape == (2, 8, height // 4, width // 4)
    assert domain.generator(reading.latent).shape == image.shape
    assert set(reading.logits) == {"cam", "local", "global"}


@pytest.mark.parametrize("downsample", ["strided", "blurred"])
@pytest.mark.parametrize(("depth", "shared"), [(6, 2), (7, 2), (7, 3), (5, 1), (7, 1)])
def test_the_smallest_size_is_exact(depth: int, shared: int, downsample: Downsample) -> None:
    """The networks take the smallest side that the arithmetic promises, and not one pixel less."""
    network = NiceGANNetwork(base_channels=2, blocks=1, depth=depth, shared_layers=shared, downsample=downsample)
    smallest = geometry.smallest_side(depth, shared, network.classifiers)
    domain = build_domain("A", network, (smallest, smallest))
    logits = domain.read(torch.rand(1, 3, smallest, smallest)).logits
    assert min(min(value.shape[-2:]) for name, value in logits.items() if name != "cam") == 1
    with pytest.raises(ConfigError, match=rf"too small for a discriminator of depth {depth} \(smallest: {smallest}\)"):
        domain.read(torch.rand(1, 3, smallest, smallest - 1))
    domain.discriminator.head_names = ("cam",)  # disarm the check: the layers themselves now fail
    with pytest.raises(RuntimeError):
        domain.read(torch.rand(1, 3, smallest, smallest - 1))


def test_too_small_an_image_names_the_depth_that_fits() -> None:
    sizes = NiceGAN(network=NiceGANNetwork(depth=7)).training_sizes()
    said = "64x64 is too small (smallest side: 96); network.depth 6 takes sides from 48 on"
    assert sizes.problem((64, 64)) == said
    assert sizes.problem((96, 96)) is None
    shallowest = NiceGAN(network=NiceGANNetwork(depth=6)).training_sizes()
    assert "use larger images" in str(shallowest.problem((32, 32)))


@pytest.mark.parametrize("shared", [1, 2, 3])
def test_shared_layers_make_the_encoder(shared: int) -> None:
    network = TINY.model_copy(update={"shared_layers": shared, "depth": 7})
    domain = build_domain("A", network, (96, 96))
    latent = domain.encoder(torch.rand(1, 3, 96, 96))
    assert latent.shape == (1, 4 << (shared - 1), 96 >> shared, 96 >> shared)
    assert domain.generator(latent).shape == (1, 3, 96, 96)


def test_the_encoder_of_a_nice_domain_is_the_discriminators() -> None:
    nice = build_domain("A", TINY, (64, 64))
    assert nice.encoder is nice.discriminator.encoder
    independent = build_domain("A", TINY.model_copy(update={"encoder": "independent"}), (64, 64))
    mine = {id(parameter) for parameter in independent.encoder.parameters()}
    assert mine.isdisjoint(id(parameter) for parameter in independent.discriminator.parameters())


@pytest.mark.parametrize("summary", ["pooled", "flat"])
def test_summaries(summary: str) -> None:
    network = TINY.model_copy(update={"summary": summary})
    model = build_translation_model(network, (64, 48))
    assert model.translate(torch.rand(1, 3, 64, 48), "B").shape == (1, 3, 64, 48)
    other_size = torch.rand(1, 3, 48, 64)
    if summary == "flat":
        with pytest.raises(ValueError, match="takes maps of"):
            model.translate(other_size, "B")
    else:
        assert model.translate(other_size, "B").shape == other_size.shape


@pytest.mark.parametrize("heads", [("cam",), ("local",), ("global",), ("cam", "global"), ("global", "local")])
def test_any_subset_of_classifiers(heads: tuple[str, ...]) -> None:
    network = NiceGANNetwork.model_validate({**TINY.model_dump(), "classifiers": heads})
    domain = build_domain("A", network, (64, 64))
    assert set(domain.read(torch.rand(1, 3, 64, 64)).logits) == set(heads)


def test_the_local_head_reads_less_of_the_image_than_the_global_one() -> None:
    """Receptive fields of 70 and 286 pixels at depth 7, measured by the gradient of one logit."""
    domain = build_domain("A", NiceGANNetwork(base_channels=2, blocks=1), (512, 512))
    domain.discriminator.encoder.attention = None
    image = torch.rand(1, 3, 512, 512, requires_grad=True)
    heads = domain.read(image).logits
    for name, field in (("local", 70), ("global", 286)):
        logits = heads[name]
        middle = logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2]
        (gradient,) = torch.autograd.grad(middle, image, retain_graph=True)
        rows = gradient.abs().sum((0, 1, 3)).nonzero()
        assert int(rows.max() - rows.min()) + 1 == field


@pytest.mark.parametrize(("height", "width"), list(product([95, 64], [256])))
def test_a_run_of_too_small_images_is_refused_at_the_door(height: int, width: int) -> None:
    with pytest.raises(ValueError, match="image_size"):
        RunConfig(image_size=(height, width))


def test_a_channels_four_pixels_begin_equal() -> None:
    """ICNR; with PyTorch's own initial weights they differ, which is a pattern of period 2 in every image."""
    up = build_up(8, "icnr")
    pixels = up[3](up[2](torch.rand(2, 4, 5, 6)))
    assert torch.equal(pixels[:, :, ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3), pixels)
    assert pixels.std() > 0
    plain = build_up(8, "subpixel")
    pixels = plain[3](plain[2](torch.rand(2, 4, 5, 6)))
    assert not torch.equal(pixels[:, :, ::2, ::2], pixels[:, :, 1::2, 1::2])


@pytest.mark.parametrize("upsample", ["nearest", "bilinear"])
def test_an_enlarging_generator_keeps_the_small_map_and_gives_the_plain_gradients(upsample: Upsample) -> None:
    up = build_up(8, upsample).double()
    x = torch.rand(2, 8, 5, 6, dtype=torch.float64, requires_grad=True)
    convolution, norm = up[1], up[2]
    assert isinstance(convolution, nn.Conv2d)
    padded = F.pad(F.interpolate(x, scale_factor=2, mode=upsample), (1,) * 4, mode="reflect")
    plain = norm(F.conv2d(padded, convolution.weight))
    kept: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        ours = up(x)
    assert 4 * x.numel() not in kept, "the enlarged map is not kept"
    torch.testing.assert_close(ours, plain)
    grad = torch.randn_like(plain)
    sides = (torch.autograd.grad(out, (x, convolution.weight), grad) for out in (ours, plain))
    for mine, theirs in zip(*sides, strict=True):
        torch.testing.assert_close(mine, theirs)
    network = NiceGANNetwork(base_channels=2, blocks=1, depth=6, upsample=upsample)
    image = torch.rand(1, 3, 48, 52)
    assert build_translation_model(network, (48, 52)).translate(image, "B").shape == image.shape


def test_blurred_layers_alias_less_and_have_the_same_sizes_and_weights() -> None:
    """Of a map and of the same map one pixel further, every second pixel should look alike."""
    strided, blurred = (
        build_domain("A", TINY.model_copy(update={"downsample": kind}), (64, 64)).discriminator
        for kind in ("strided", "blurred")
    )
    assert {name: tensor.shape for name, tensor in strided.state_dict().items()} == {
        name: tensor.shape for name, tensor in blurred.state_dict().items()
    }
    blurred.load_state_dict(strided.state_dict())
    for size in ((64, 64), (50, 77)):
        logits = [discriminator(torch.rand(1, 3, *size)) for discriminator in (strided, blurred)]
        assert all(logits[0][head].shape == logits[1][head].shape for head in logits[0])
    noise = torch.randn(4, 3, 64, 65)
    changes = []
    for discriminator in (strided, blurred):
        layer = discriminator.encoder.layers[0]
        here, further = (layer(window) for window in (noise[..., :-1], noise[..., 1:]))
        changes.append(((here - further).square().mean() / here.var()).item())
    assert changes[1] < changes[0] / 2
