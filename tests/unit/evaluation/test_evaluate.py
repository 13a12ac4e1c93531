"""Evaluations: what is compared with what, how it is called, and what is said about counts."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import write_images
from tests.feature_networks import LikeInception, Roughness, write_network
from tests.unit.inference.test_translator import write_model

import nicegan
from nicegan.data.cache import scaled
from nicegan.data.folders import find_images, read_image
from nicegan.errors import DataError, NiceganError
from nicegan.evaluation.content import similarity_to_sources
from nicegan.evaluation.measure import Measured, Score, num_resamples
from nicegan.inference.files import Scaling, translate_files
from nicegan.inference.translator import load
from nicegan.metrics.frechet import frechet_distance
from nicegan.metrics.kernel import KernelSubsets


@pytest.fixture
def features(tmp_path: Path) -> Path:
    return write_network(tmp_path / "means.pt")


def noisy_copies(folder: Path, out: Path, noise: float, seed: int = 0, suffix: str = ".png") -> Path:
    out.mkdir()
    random = np.random.default_rng(seed)
    for path in find_images(folder):
        pixels = np.asarray(read_image(path)) + random.normal(0, noise, 3)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out / f"{path.stem}{suffix}")
    return out


def test_folders_with_sources_and_a_rival(features: Path, tmp_path: Path) -> None:
    for seed, name in enumerate(("real", "source")):
        write_images(tmp_path / name, 24, seed=seed)
    fake = noisy_copies(tmp_path / "source", tmp_path / "fake", 10)
    rival = noisy_copies(tmp_path / "source", tmp_path / "rival", 60, suffix=".bmp")
    real, source = tmp_path / "real", tmp_path / "source"
    found = nicegan.evaluate(real, fake, features, source=source, against=rival, device="cpu")
    names = [(one.name, one.num_images) for one in found.candidates]
    assert names == [("no translation", 24), (str(fake), 24), (str(rival), 24)]
    untranslated, of_fake, worse = (one.scores for one in found.candidates)
    assert set(of_fake) == {"frechet", "kernel", "precision", "recall", "density", "coverage", "similarity"}
    assert "similarity" not in untranslated
    assert worse["similarity"].value < of_fake["similarity"].value
    assert found.paired
    for name, score in found.difference.items():
        assert score.value == pytest.approx(of_fake[name].value - worse[name].value)
    assert not found.difference["frechet"].holds_zero()
    assert all(score.low is not None and score.high is not None for score in of_fake.values())
    assert found == nicegan.evaluate(real, fake, features, source=source, against=rival, device="cpu")
    json.dumps(found.as_dict(), allow_nan=False)


def test_one_law_against_itself_is_not_told_apart(features: Path, tmp_path: Path) -> None:
    for seed, name in enumerate(("real", "one", "other")):
        write_images(tmp_path / name, 24, seed=seed)
    found = nicegan.evaluate(tmp_path / "real", tmp_path / "one", features, against=tmp_path / "other", device="cpu")
    assert found.difference["frechet"].holds_zero()
    assert found.difference["kernel"].holds_zero()
    (tmp_path / "other" / "image_000.png").rename(tmp_path / "other" / "renamed.png")
    unpaired = nicegan.evaluate(tmp_path / "real", tmp_path / "one", features, against=tmp_path / "other", device="cpu")
    assert not unpaired.paired
    assert unpaired.candidates[1].scores["frechet"].value == pytest.approx(found.candidates[1].scores["frechet"].value)


def test_a_model_is_what_its_translations_are(features: Path, dataset: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.safetensors", size=(64, 80))
    found = nicegan.evaluate_model(model, dataset, features, device="cpu")
    assert list(found) == ["A to B", "B to A"]
    translate_files(load(model, "cpu"), [dataset / "testA"], tmp_path / "out", to="B", scaling=Scaling((64, 80)))
    assert read_image(find_images(tmp_path / "out")[0]).size == (80, 64)
    settings = {"source": dataset / "testA", "size": (64, 80), "device": "cpu"}
    folders = nicegan.evaluate(dataset / "testB", tmp_path / "out", features, **settings)
    names = ["no translation", str(model)]
    assert [one.name for one in found["A to B"].candidates] == names
    for one, other in zip(found["A to B"].candidates, folders.candidates, strict=True):
        assert one.scores == other.scores
        assert one.kernel_subsets == other.kernel_subsets


def test_all_sets_of_a_table_have_one_size(dataset: Path, tmp_path: Path) -> None:
    """Real images shrunk to the model's size are the real ones, as the scores see them."""
    features = write_network(tmp_path / "roughness.pt", Roughness())
    shrunk = tmp_path / "shrunk"
    shrunk.mkdir()
    for path in find_images(dataset / "testB"):
        Image.fromarray(scaled(read_image(path), (48, 48))).save(shrunk / path.name)
    own = nicegan.evaluate(dataset / "testB", shrunk, features, device="cpu")
    same = nicegan.evaluate(dataset / "testB", shrunk, features, size=48, device="cpu")
    assert same.candidates[0].scores["frechet"].value < 1e-3 < own.candidates[0].scores["frechet"].value
    assert any("--size PIXELS" in note for note in own.notes)
    assert not any("--size" in note for note in same.notes)
    model = write_model(tmp_path / "model.safetensors", size=(48, 48))
    other = nicegan.evaluate_model(model, dataset, features, size=64, device="cpu")["A to B"]
    assert any("was trained at 48x48 pixels, and is scored at 64x64" in note for note in other.notes)
    assert other.network.size == (64, 64)


def test_equal_bytes_are_equal_scores_whatever_the_names(features: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "real", 25)
    write_images(tmp_path / "fake", 25, seed=1)
    (tmp_path / "renamed").mkdir()
    for number, path in enumerate(find_images(tmp_path / "fake")):
        shutil.copy(path, tmp_path / "renamed" / f"{(7 * number) % 25:02d}.png")
    real = tmp_path / "real"
    found = nicegan.evaluate(real, tmp_path / "fake", features, against=tmp_path / "renamed", device="cpu")
    one, other = found.candidates
    assert not found.paired
    assert one.scores == other.scores
    assert one.kernel_subsets == other.kernel_subsets
    assert all(difference.value == 0 for difference in found.difference.values())


def test_counts_are_never_passed_over(features: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "real", 30)
    write_images(tmp_path / "fake", 4, seed=1)
    found = nicegan.evaluate(tmp_path / "real", tmp_path / "fake", features, device="cpu")
    notes = "\n".join(found.notes)
    assert "30 real images, 4 (" in notes
    assert "4 images are fewer than the 48 features" in notes
    assert "no intervals" in notes
    assert set(found.candidates[0].scores) == {"frechet", "kernel"}  # too few for neighbourhoods
    assert found.candidates[0].scores["kernel"].low is None
    write_images(tmp_path / "many", 60, seed=1)
    write_images(tmp_path / "as_many", 60, seed=2)
    assert nicegan.evaluate(tmp_path / "many", tmp_path / "as_many", features, device="cpu").notes == []


def test_only_inception_gives_fid(features: Path, tmp_path: Path, own_cache: Path) -> None:
    for seed, name in enumerate(("real", "fake")):
        write_images(tmp_path / name, 3, seed=seed)
    plain = nicegan.evaluate(tmp_path / "real", tmp_path / "fake", features, device="cpu").as_dict()
    assert plain["names"] == {"frechet": "FD", "kernel": "KD"}
    assert (plain["features"]["name"], plain["features"]["resize"]) == ("means", "none")
    write_network(own_cache / "networks" / "inception-2015-12-05.pt", LikeInception())
    found = nicegan.evaluate(tmp_path / "real", tmp_path / "fake", resize="clean", device="cpu").as_dict()
    assert found["names"] == {"frechet": "FID", "kernel": "KID"}
    assert found["features"]["resize"] == "clean"


def test_the_frechet_distance_is_that_of_the_features(features: Path, tmp_path: Path) -> None:
    sets = [write_images(tmp_path / name, count, (64, 64), seed=count) for name, count in (("real", 6), ("fake", 5))]
    rows = [
        torch.stack(
            [torch.tensor(np.asarray(read_image(path)).reshape(4, 16, 4, 16, 3).mean((1, 3))) for path in paths]
        )
        for paths in sets
    ]
    expected = frechet_distance(*(row.flatten(1) / 64 for row in rows))
    found = nicegan.evaluate(tmp_path / "real", tmp_path / "fake", features, device="cpu")
    assert found.candidates[0].scores["frechet"].value == pytest.approx(expected, rel=1e-4)


def plain_similarity(x: np.ndarray, y: np.ndarray) -> float:
    """Wang et al., equation 13, with an 11x11 Gaussian window of deviation 1.5 around every pixel, edges reflected."""
    x, y = (np.pad(image, ((5, 5), (5, 5), (0, 0)), mode="reflect") for image in (x, y))
    row = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(row, row)[..., None] / row.sum() ** 2
    values = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            a, b = (image[top : top + 11, left : left + 11] for image in (x, y))
            mean_a, mean_b = (window * a).sum((0, 1)), (window * b).sum((0, 1))
            spread_a, spread_b = (window * a * a).sum((0, 1)) - mean_a**2, (window * b * b).sum((0, 1)) - mean_b**2
            shared = (window * a * b).sum((0, 1)) - mean_a * mean_b
            likeness = (2 * mean_a * mean_b + 2.55**2) / (mean_a**2 + mean_b**2 + 2.55**2)
            values.append(likeness * (2 * shared + 7.65**2) / (spread_a + spread_b + 7.65**2))
    return float(np.mean(values))


def test_similarity(tmp_path: Path) -> None:
    sources = write_images(tmp_path / "sources", 3)
    changed = find_images(noisy_copies(tmp_path / "sources", tmp_path / "changed", 30))
    assert similarity_to_sources(sources, sources).tolist() == pytest.approx([1, 1, 1])
    pixels = [np.asarray(read_image(path)).astype(np.float64) for path in (changed[0], sources[0])]
    assert similarity_to_sources(changed, sources)[0].item() == pytest.approx(plain_similarity(*pixels), abs=1e-6)
    Image.new("RGB", (40, 30)).save(changed[0])
    assert similarity_to_sources(changed, sources).shape == (3,)
    Image.new("RGB", (40, 8)).save(changed[0])
    with pytest.raises(DataError, match="40x8 pixels"):
        similarity_to_sources(changed, sources)


def test_images_without_a_source_and_sets_compared_with_themselves(features: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "real", 3)
    write_images(tmp_path / "source", 2)
    with pytest.raises(DataError, match="1 of 3 images in .* 'image_002.png'"):
        nicegan.evaluate(tmp_path / "real", tmp_path / "real", features, source=tmp_path / "source")
    with pytest.raises(NiceganError, match="compared with itself"):
        nicegan.evaluate(tmp_path / "real", tmp_path / "source", features, against=tmp_path / "source")


def test_fewer_resamples_where_they_are_costly() -> None:
    assert num_resamples(100, 2048) == num_resamples(1000, 2048) == num_resamples(10**6, 64) == 200
    assert num_resamples(1500, 2048) == 59
    assert num_resamples(50_000, 2048) == 40


def test_a_difference_without_an_interval_tells_nothing() -> None:
    assert Score(3.0).holds_zero()
    assert Score(3.0, -1.0, 7.0).holds_zero()
    assert not Score(3.0, 1.0, 5.0).holds_zero()


def test_an_interval_does_not_depend_on_what_else_is_scored(features: Path, tmp_path: Path) -> None:
    for seed, name in enumerate(("real", "source")):
        write_images(tmp_path / name, 24, seed=seed)
    fake = noisy_copies(tmp_path / "source", tmp_path / "fake", 10)
    alone = nicegan.evaluate(tmp_path / "real", fake, features, device="cpu")
    beside = nicegan.evaluate(tmp_path / "real", fake, features, source=tmp_path / "source", device="cpu")
    assert alone.candidates[0].scores["frechet"] == beside.candidates[1].scores["frechet"]


def test_the_least_reach_of_a_score_that_no_half_moves() -> None:
    zeros = {name: torch.zeros(9) for name in ("precision", "recall", "density", "coverage")}
    scores = Measured(dict.fromkeys(zeros, 0.0), zeros, KernelSubsets(0, 0, 50, 30), 30).scores()
    assert {score.reach for score in scores.values()} == {0.1}
