"""Every method translates in tiles what it translates as a whole."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from nicegan.config import MethodConfig
from nicegan.device import Machine
from nicegan.inference import aside
from nicegan.inference.styles import translate_in_styles
from nicegan.inference.tiling import reach_of, translate_tiles
from nicegan.inference.translator import Translator
from nicegan.methods.base import HasHeatmap, HasStyles
from nicegan.model_file import Model, ModelSpec
from nicegan.nn.statistics import Statistics, answered_by

CPU = Machine(torch.device("cpu"), "float32")
SIDE, IMAGE = 64, (140, 212)  # pixels


@pytest.fixture
def model(tiny: MethodConfig, size: tuple[int, int]) -> Model:
    """A model that is not in its first state, where attention may be off."""
    torch.manual_seed(0)
    networks = tiny.build_translation_model(size).eval().requires_grad_(False)
    for parameter in networks.parameters():
        parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return Model(ModelSpec.model_validate({"method": tiny, "image_size": size}), networks)


@pytest.fixture
def image() -> Tensor:
    return torch.rand(2, 3, *IMAGE, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1


@torch.no_grad()
def test_tiles_give_the_numbers_of_the_whole(
    model: Model, image: Tensor, tiny: MethodConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "SMALLEST", 4096)  # all maps are put aside: none may rely on what another tile made
    translate = partial(model.networks.double().translate, to="B")
    unit = tiny.translation_sizes(IMAGE).multiple
    reach = reach_of(translate, unit, image[:1, :1, :1])
    whole = translate(image)
    torch.testing.assert_close(translate_tiles(translate, image, SIDE, reach), whole, rtol=0, atol=1e-11)
    too_little = translate_tiles(translate, image, SIDE, unit)
    assert (too_little - whole).abs().max() > 1e-9, "planted error: pixels in reach are not read"

    class OwnOnly(Statistics):
        """Statistics of a tile alone."""

    def alone(part: Tensor) -> Tensor:
        with answered_by(OwnOnly()):
            return translate(part)

    error = (translate_tiles(alone, image, SIDE, reach) - whole).abs().max()
    assert error > 1e-6, "planted error: each tile is normalised by itself, as other tools do"


def test_a_translator_in_tiles_gives_the_same_pixels(model: Model, image: Tensor) -> None:
    pixels = ((image + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()[:, :-3, :-1]
    whole, tiled = Translator(model, CPU), Translator(model, CPU, tile=SIDE)
    assert (whole.tile_for(IMAGE), tiled.tile_for(IMAGE)) == (None, SIDE)
    differences = tiled.translate(pixels, "B").astype(int) - whole.translate(pixels, "B")
    assert abs(differences).max() <= 1
    assert (differences != 0).mean() < 0.001  # what rounding moves
    if isinstance(model.networks, HasHeatmap):
        assert abs(tiled.heatmap(pixels, "A").astype(int) - whole.heatmap(pixels, "A")).max() <= 1
    if isinstance(model.networks, HasStyles):
        styles = torch.randn(2, 3, model.networks.style_features)
        two = [translate_in_styles(one, image.float(), "B", styles) for one in (whole, tiled)]
        torch.testing.assert_close(two[0], two[1], rtol=0, atol=1e-4)


def test_only_statistics_tie_distant_pixels_together(model: Model, tiny: MethodConfig) -> None:
    """Whoever adds a layer that reads a whole map without `nicegan.nn.statistics` hears of it here."""
    unit = tiny.translation_sizes(IMAGE).multiple
    with torch.no_grad():
        assert reach_of(partial(model.networks.translate, to="B"), unit, torch.zeros(1)) < 96
    for layer in model.networks.modules():
        assert not isinstance(layer, nn.InstanceNorm2d | nn.BatchNorm2d | nn.AdaptiveAvgPool2d)
