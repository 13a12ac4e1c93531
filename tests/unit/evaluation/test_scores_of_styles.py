"""Scores of models with styles: which styles, how diverse, and that both are said."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.feature_networks import Means, write_network

import nicegan
from nicegan.data.augment import to_pixels
from nicegan.evaluation.score_table import below
from nicegan.inference.styles import random_styles
from nicegan.inference.translator import load
from nicegan.methods.base import StyledModel
from nicegan.methods.munit.config import MUNIT
from nicegan.model_file import ModelSpec, save_model
from nicegan.training.samples import AT_ONCE, translated


@pytest.fixture
def model(tmp_path: Path) -> Path:
    method = MUNIT.tiny()
    path = tmp_path / "styled" / "model.safetensors"
    path.parent.mkdir()
    save_model(path, ModelSpec(method=method, image_size=(64, 64)), method.build_translation_model((64, 64)))
    return path


def test_diversity_is_the_mean_distance_of_the_outputs_of_each_image(model: Path, dataset: Path) -> None:
    """Against the definition, pair by pair, from the files' own styles."""
    for path in dataset.rglob("*.png"):
        with Image.open(path) as image:
            image.resize((64, 64)).save(path)  # so that no resizing comes between
    features = write_network(dataset / "means.pt")
    found = nicegan.evaluate_model(model, dataset, features, device="cpu", seed=3)["A to B"]
    diversity = found.diversity[str(model)]
    translator, network = load(model, "cpu"), Means()
    distances = []
    for path in sorted((dataset / "testA").iterdir()):
        styles = random_styles(translator, 5, seed=3).of(path)
        made = [np.asarray(translator.translate(path, "B", style)) for style in styles]
        rows = network(torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2)).double()
        distances += [(rows[i] - rows[j]).norm() for i in range(5) for j in range(i)]
    assert diversity.value == pytest.approx(torch.stack(distances).mean().item(), rel=1e-3)
    assert (diversity.num_inputs, diversity.num_outputs) == (3, 5)
    real = np.stack([np.asarray(Image.open(path)) for path in sorted((dataset / "testB").iterdir())])
    rows = network(torch.from_numpy(real).permute(0, 3, 1, 2)).double()
    apart = torch.stack([(rows[i] - rows[j]).norm() for i in range(3) for j in range(i)])
    assert diversity.among_real == pytest.approx(apart.mean().item())


def test_what_is_scored_is_said_and_repeats(model: Path, dataset: Path, tmp_path: Path) -> None:
    features = write_network(tmp_path / "means.pt")
    found = nicegan.evaluate_model(model, dataset, features, device="cpu")
    assert found == nicegan.evaluate_model(model, dataset, features, device="cpu")
    for one in found.values():
        lines = below(one)
        assert any(line.startswith("diversity of styled: ") and "5 translations of one image" in line for line in lines)
        assert "note: models with styles: each image is translated with one random style" in "\n".join(lines)
        assert str(model) in json.dumps(one.as_dict()["diversity"])
    renamed = found["A to B"].renamed({str(model): "best"})
    assert list(renamed.diversity) == ["best"]
    (dataset / "testA" / "image_000.png").rename(dataset / "testA" / "renamed.png")
    again = nicegan.evaluate_model(model, dataset, features, device="cpu")["A to B"]
    before = found["A to B"].candidates[1].scores
    assert again.candidates[1].scores["frechet"].value == pytest.approx(before["frechet"].value, rel=1e-3)


@torch.no_grad()
def test_the_score_of_training_gives_each_image_a_style_of_its_own(tmp_path: Path) -> None:
    networks = MUNIT.tiny().build_translation_model((64, 64))
    assert isinstance(networks, StyledModel)
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    fakes = translated(networks, "B", image.expand(AT_ONCE + 2, -1, -1, -1), torch.device("cpu"))
    assert len({fake.numpy().tobytes() for fake in to_pixels(fakes)}) == len(fakes)
    assert torch.equal(fakes, translated(networks, "B", image.expand(AT_ONCE + 2, -1, -1, -1), torch.device("cpu")))
