"""What looks wrong in translations of painted scenes: each symptom is seen alone, and the truth gives no hint."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PILImage
from tests.feature_networks import write_network

import nicegan
from nicegan.cli.evaluate import run as evaluate_command
from nicegan.data.augment import to_network, to_pixels
from nicegan.data.synthetic import DAY, NIGHT, draw_layout, paint
from nicegan.evaluation.appearance import MIN_IMAGES, Appearance, measure_appearance
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.shapes import Image

SIDE, COUNT = 64, 24


@pytest.fixture(scope="module")
def scenes() -> dict[str, Image]:
    """Scenes by day, the same ones by night, and others by night."""
    random = np.random.default_rng(0)
    layouts, others = ([draw_layout(random) for _ in range(COUNT)] for _ in range(2))
    painted = {"source": (layouts, DAY), "truth": (layouts, NIGHT), "real": (others, NIGHT)}
    return {
        name: to_network(torch.from_numpy(np.stack([np.asarray(paint(one, palette, SIDE)) for one in which])))
        for name, (which, palette) in painted.items()
    }


def with_grid(images: Image) -> Image:
    """Lighten every second pixel a little, as up-sampling does."""
    images = images.clone()
    images[:, :, ::2, ::2] += 0.12
    return images.clamp(-1, 1)


def fakes(scenes: dict[str, Image], kind: str) -> Image:
    truth, source = scenes["truth"], scenes["source"]
    return {
        "healthy": truth,
        "pattern": with_grid(truth),
        "inverted": -source,
        "unchanged": (source + 0.05 * torch.randn(source.shape, generator=torch.Generator().manual_seed(0))).clamp(
            -1, 1
        ),
        "alike": truth[:1] + 0.02 * (truth - truth[:1]),
    }[kind]


def appearance(scenes: dict[str, Image], kind: str) -> Appearance:
    found = measure_appearance(fakes(scenes, kind), scenes["real"], scenes["source"])
    assert found is not None
    return found


@pytest.mark.parametrize("kind", ["pattern", "inverted", "unchanged", "alike"])
def test_a_symptom_is_seen_alone(scenes: dict[str, Image], kind: str) -> None:
    found = appearance(scenes, kind).findings("A to B", NiceGAN())
    assert [hint.symptom for hint in found.hints] == [kind]
    others = {"pattern", "inverted", "unchanged"}
    assert set(found.measured) == {"alike"} | (set() if kind == "alike" else others)
    assert {name for names, _ in found.unmeasured for name in names} == (others if kind == "alike" else set())


def test_the_truth_gives_no_hint_and_the_measurements_are_there(scenes: dict[str, Image]) -> None:
    found = appearance(scenes, "healthy")
    assert found.findings("A to B", None).hints == ()
    assert found.num_images == COUNT
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["pattern"] == pytest.approx(1, abs=0.5)


def test_what_was_translated_to_something_near_is_no_copy(scenes: dict[str, Image]) -> None:
    """A change of a tenth is a whole translation where the domains are no farther apart."""
    source = scenes["source"]
    target = (source + 0.1).clamp(-1, 1)
    near = measure_appearance(target, target.flip(0), source)
    far = measure_appearance(source, target.flip(0), source)
    assert near is not None
    assert far is not None
    assert not near.findings("A to B", None).hints
    assert [hint.symptom for hint in far.findings("A to B", None).hints] == ["unchanged"]


def test_without_measurement_there_is_no_hint(scenes: dict[str, Image]) -> None:
    few = {name: images[: MIN_IMAGES - 1] for name, images in scenes.items()}
    assert measure_appearance(few["source"], scenes["real"], few["source"]) is None
    without_source = measure_appearance(fakes(scenes, "inverted"), scenes["real"], None)
    assert without_source is not None
    found = without_source.findings("", None)
    assert set(found.measured) == {"pattern", "alike"}
    assert set(found.unmeasured[0][0]) == {"inverted", "unchanged"}
    grey = torch.zeros(MIN_IMAGES, 3, SIDE, SIDE)
    flat = measure_appearance(grey, grey, grey)
    assert flat is not None
    assert (flat.pattern, flat.spread) == (None, None), "images without contrast have neither"
    json.dumps(flat.as_dict(), allow_nan=False)


def write(folder: Path, images: Image) -> Path:
    folder.mkdir()
    for number, pixels in enumerate(to_pixels(images)):
        PILImage.fromarray(pixels.numpy()).save(folder / f"{number:03d}.png")
    return folder


def test_an_evaluation_of_folders_says_what_it_sees(
    scenes: dict[str, Image], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features = write_network(tmp_path / "means.pt")
    real, source = (write(tmp_path / name, scenes[name]) for name in ("real", "source"))
    good, bad = (write(tmp_path / kind, fakes(scenes, kind)) for kind in ("healthy", "inverted"))
    arguments = ["--real", real, "--fake", good, "--against", bad, "--source", source]
    out = tmp_path / "scores.json"
    assert (
        evaluate_command([*map(str, arguments), "--features", str(features), "--device", "cpu", "--json", str(out)])
        == 0
    )
    said = capsys.readouterr().out
    assert "what we see: Bright and dark are exchanged (inverted: " in said
    assert said.count("what we see") == 1
    found: dict[str, Any] = json.loads(out.read_text())["evaluations"]["folders"]
    assert [(hint["symptom"], hint["where"]) for hint in found["hints"]] == [("inverted", str(bad))]
    assert found["appearances"][str(good)]["correlation"] > 0 > found["appearances"][str(bad)]["correlation"]
    with PILImage.open(next(good.iterdir())) as image:
        image.resize((80, 80)).save(good / "000.png")
    mixed = nicegan.evaluate(real, good, features, device="cpu")
    assert not mixed.appearances, "images of several sizes are not scaled only to be looked at"
    assert not mixed.hints
