"""Latents: the analysis is of what the encoders give, and says how far apart two domains are."""

import io
import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageEnhance
from tests.conftest import TINY, write_images

from nicegan.analysis.latent_pictures import plot_latents, plot_neighbours
from nicegan.analysis.latents import analyse_latents, as_record
from nicegan.data.augment import to_network
from nicegan.data.cache import open_images
from nicegan.data.places import Dataset, Files, find_dataset
from nicegan.device import Machine
from nicegan.errors import DataError
from nicegan.methods.base import PairedModel
from nicegan.methods.nicegan.build import build_translation_model
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.metrics.mmd import median_distance
from nicegan.model_file import ModelSpec, load_model, save_model


def test_the_points_are_the_latents_of_each_domains_own_encoder(run: Path, images: Dataset, machine: Machine) -> None:
    told: list[tuple[int, int]] = []
    found = analyse_latents(run, images, machine, progress=lambda done, count: told.append((done, count)))
    networks = load_model(run / "model.safetensors").networks
    assert isinstance(networks, PairedModel)
    latents = []
    for domain, source in (("A", images.test_a), ("B", images.test_b)):
        assert isinstance(source, Files)
        pixels = torch.from_numpy(open_images(source.paths, (64, 64)).pixels.copy())
        with torch.no_grad():
            latents.append(networks.path(domain).encoder(to_network(pixels)).flatten(1))
    flat = torch.cat(latents).double()
    assert found.latent_shape == (8, 16, 16)
    assert found.variance_kept == pytest.approx(1)
    assert torch.allclose(torch.pdist(found.points), torch.pdist(flat), rtol=1e-4)
    assert found.bandwidth == pytest.approx(median_distance(flat), rel=1e-4)
    distances = torch.cdist(flat[:3], flat[3:])
    assert torch.equal(found.nearest["A"].indices, distances.argsort(dim=1))
    assert torch.equal(found.nearest["B"].indices, distances.T.argsort(dim=1))
    assert told == [(3, 6), (6, 6)]


def shared_encoder_model(path: Path) -> Path:
    """A model whose domains have the same weights."""
    networks = build_translation_model(TINY, (64, 64))
    networks.path("B").load_state_dict(networks.path("A").state_dict())
    save_model(path, ModelSpec(method=NiceGAN(network=TINY), image_size=(64, 64)), networks)
    return path


@pytest.mark.long
def test_equal_domains_are_not_told_apart_and_different_ones_are(tmp_path: Path, machine: Machine) -> None:
    model = shared_encoder_model(tmp_path / "model.safetensors")
    root = tmp_path / "data"
    write_images(root / "trainA", 24, seed=1)
    write_images(root / "trainB", 20, seed=2)
    alike = analyse_latents(model, find_dataset(root, None, None), machine)
    assert alike.test.p_value > 0.05
    assert alike.mixing.share == pytest.approx(alike.mixing.expected, abs=0.15)
    for path in (root / "trainB").iterdir():
        ImageEnhance.Brightness(Image.open(path)).enhance(0.125).save(path)
    apart = analyse_latents(model, find_dataset(root, None, None), machine)
    assert apart.test.p_value == 1 / 1001
    assert apart.mmd > alike.mmd + 0.3
    assert apart.mixing.share < 0.1
    again = analyse_latents(model, find_dataset(root, None, None), machine)
    assert torch.equal(again.flat, apart.flat)
    assert again.test == apart.test


def test_pictures_and_record(run: Path, images: Dataset, machine: Machine, tmp_path: Path) -> None:
    analyses = [analyse_latents(run, images, machine), analyse_latents(run, images, machine, count=2)]
    assert [analysis.perplexity for analysis in analyses] == [5 / 3, 1]  # 3 + 3 images, 2 + 2 images
    with (
        Image.open(io.BytesIO(plot_latents(analyses))) as two,
        Image.open(io.BytesIO(plot_latents(analyses[:1]))) as one,
    ):
        assert (two.width, two.height) == (2 * one.width, one.height)
    assert plot_neighbours(analyses).height > 2 * plot_neighbours(analyses[1:]).height
    record = json.loads(json.dumps(as_record(analyses, seed=0)))
    assert [model["images"] for model in record["models"]] == [{"A": 3, "B": 3}, {"A": 2, "B": 2}]
    assert record["models"][0]["mmd_squared"] == analyses[0].test.mmd_squared
    assert {"kernel", "bandwidth", "permutations", "seed", "representation"} <= set(record)
    assert "scikit-learn" in record["versions"]


def test_images_of_any_size_and_training_images_where_there_are_no_others(
    run: Path, dataset: Path, machine: Machine
) -> None:
    shutil.rmtree(dataset / "testA")
    shutil.rmtree(dataset / "testB")
    Image.new("L", (300, 20), 90).save(dataset / "trainA" / "wide.png")
    found = analyse_latents(run, find_dataset(dataset, None, None), machine)
    assert [len(side.names) for side in found.images.values()] == [7, 5]


def test_images_that_say_nothing(run: Path, dataset: Path, machine: Machine) -> None:
    for path in sorted((dataset / "testB").iterdir())[1:]:
        path.unlink()
    with pytest.raises(DataError, match="domain B has 1 image: .* two or more"):
        analyse_latents(run, find_dataset(dataset, None, None), machine)
    (dataset / "testA" / "image_000.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1 images cannot be read(.|\n)*image_000.png"):
        analyse_latents(run, find_dataset(dataset, None, None), machine)


def test_images_that_are_all_the_same(tmp_path: Path, machine: Machine) -> None:
    model = shared_encoder_model(tmp_path / "model.safetensors")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(2):
            Image.new("RGB", (8, 8), "red").save(tmp_path / name / f"{number}.png")
    with pytest.raises(DataError, match="all latents are equal"):
        analyse_latents(model, find_dataset(None, str(tmp_path / "a"), str(tmp_path / "b")), machine)
