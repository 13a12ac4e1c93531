"""Feature networks and their files: resized by the protocol, in the order of the paths, cached by content."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import write_images
from tests.feature_networks import (
    Bytes,
    Fails,
    Flat,
    LikeInception,
    NotANumber,
    OneRow,
    Pair,
    Unpooled,
    write_network,
)
from tests.servers import file_server
from torch import nn

from nicegan import feature_network
from nicegan.data.folders import find_images
from nicegan.errors import DataError
from nicegan.evaluation.features import cached_features, extract_features, prepare
from nicegan.feature_network import FeatureNetwork, load_feature_network


@pytest.fixture
def network(tmp_path: Path) -> FeatureNetwork:
    return load_feature_network(write_network(tmp_path / "means.pt"), device="cpu")


def test_mixed_sizes_come_in_the_order_of_the_paths(network: FeatureNetwork, tmp_path: Path) -> None:
    small, large = write_images(tmp_path / "small", 20), write_images(tmp_path / "large", 3, (100, 90), seed=1)
    paths = [large[2], *small, large[0], large[1], small[0]]
    progress = []
    together = extract_features(paths, network, lambda *numbers: progress.append(numbers))
    alone = torch.cat([extract_features([path], network) for path in paths])
    torch.testing.assert_close(together, alone)
    assert together.shape == (24, 48)
    assert progress[-1] == (23, 24)  # one path stands twice


def test_no_resizing_shows_the_network_the_stored_bytes(network: FeatureNetwork, tmp_path: Path) -> None:
    [path] = write_images(tmp_path / "images", 1, (64, 64))
    with Image.open(path) as image:
        pixels = np.asarray(image).astype(np.float64)
    expected = pixels.reshape(4, 16, 4, 16, 3).mean((1, 3)).transpose(2, 0, 1).flatten() / 64
    np.testing.assert_allclose(extract_features([path], network)[0], expected, rtol=1e-5)


def test_the_paper_skips_pixels_and_clean_does_not() -> None:
    """One white column in 13, shrunk 13 times: a filter that averages sees grey, one that picks sees black or white."""
    stripes = np.zeros((299, 299 * 13, 3), np.uint8)
    stripes[:, 6::13] = 255
    image = Image.fromarray(stripes)
    paper, clean = prepare(image, "paper"), prepare(image, "clean")
    assert paper.shape == clean.shape == (299, 299, 3)
    assert paper.dtype == clean.dtype == np.float32
    assert np.all(paper == 255)
    np.testing.assert_allclose(clean[:, 10:-10], 255 / 13, rtol=0.02)
    assert prepare(image, "none").shape == (299, 3887, 3)


def test_clean_stays_within_the_range() -> None:
    edges = np.zeros((100, 100, 3), np.uint8)
    edges[:, 50:] = 255
    clean = prepare(Image.fromarray(edges), "clean")  # bicubic overshoots at edges
    assert clean.min() == 0
    assert clean.max() == 255
    assert len(np.unique(clean)) > 2


def test_the_cache_is_by_content(network: FeatureNetwork, tmp_path: Path, own_cache: Path) -> None:
    paths = write_images(tmp_path / "images", 5)
    first = cached_features(paths, network)
    shutil.copytree(tmp_path / "images", tmp_path / "copy")
    copies = find_images(tmp_path / "copy")

    def never(_images: torch.Tensor) -> torch.Tensor:
        raise AssertionError("the features are in the cache")

    silent = FeatureNetwork(network.module, network.facts, network.device)
    silent.module = never  # pyright: ignore[reportAttributeAccessIssue]
    assert torch.equal(cached_features(copies, silent), first)
    Image.new("RGB", (72, 80), "red").save(copies[0])  # another content at the same place
    with pytest.raises(AssertionError):
        cached_features(copies, silent)
    assert not torch.equal(cached_features(copies, network)[0], first[0])
    clean = FeatureNetwork(network.module, network.facts._replace(resize="clean"), network.device)
    assert not torch.equal(cached_features(paths, clean), first)
    assert len(list((own_cache / "features").iterdir())) == 3


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_a_damaged_cache_is_made_anew(network: FeatureNetwork, tmp_path: Path, own_cache: Path, damage: str) -> None:
    paths = write_images(tmp_path / "images", 5)
    first = cached_features(paths, network)
    [entry] = (own_cache / "features").iterdir()
    whole = entry.read_bytes()
    flipped = whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:]
    entry.write_bytes({"cut": whole[:-9], "flipped": flipped, "empty": b"", "other": b"what"}[damage])
    assert torch.equal(cached_features(paths, network), first)
    assert entry.read_bytes() == whole


def test_broken_images_are_all_named(network: FeatureNetwork, tmp_path: Path) -> None:
    paths = write_images(tmp_path / "images", 4)
    for path in paths[1:3]:
        path.write_bytes(b"x")
    with pytest.raises(DataError, match=r"(?s)2 of 4 images cannot be read.*image_001.*image_002"):
        cached_features(paths, network)


BAD = {
    "not (3, d): a row for each": OneRow(),
    r"gives \(3, 3, 80, 72\) for 3 images": Unpooled(),
    "NaN or infinite": NotANumber(),
    "gives torch.uint8": Bytes(),
    "gives tuple": Pair(),
    "fails on 3 images of 80x72": Fails(),
}


@pytest.mark.parametrize(("message", "bad"), BAD.items(), ids=[type(bad).__name__ for bad in BAD.values()])
def test_networks_that_do_not_do(message: str, bad: nn.Module, tmp_path: Path) -> None:
    network = load_feature_network(write_network(tmp_path / "bad.pt", bad), device="cpu")
    with pytest.raises(DataError, match=message.replace("(3, d)", r"\(3, d\)")) as caught:
        extract_features(write_images(tmp_path / "images", 3), network)
    assert "\n" not in str(caught.value)
    assert "bad" in str(caught.value)


def test_a_network_that_needs_one_size(tmp_path: Path) -> None:
    flat = write_network(tmp_path / "flat.pt", Flat())
    paths = [*write_images(tmp_path / "small", 2), *write_images(tmp_path / "large", 2, (90, 90))]
    with pytest.raises(DataError, match="--resize"):
        extract_features(paths, load_feature_network(flat, device="cpu"))
    assert extract_features(paths, load_feature_network(flat, "clean", "cpu")).shape == (4, 299 * 299 * 3)


def test_files_that_are_no_networks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no feature network 'vgg'"):
        load_feature_network("vgg")
    torch.save({"weights": torch.zeros(3)}, tmp_path / "weights.pt")
    (tmp_path / "text.pt").write_text("features")
    (tmp_path / "empty.pt").touch()
    whole = write_network(tmp_path / "whole.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    for name in ("weights", "text", "empty", "cut"):
        with pytest.raises(DataError, match=f"{name}.pt cannot be read as TorchScript") as caught:
            load_feature_network(tmp_path / f"{name}.pt")
        assert "\n" not in str(caught.value)


def test_inception_is_downloaded_once_and_used_as_the_fid_is_defined(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = write_network(tmp_path / "served.pt", LikeInception()).read_bytes()
    with file_server(content) as server:
        monkeypatch.setattr(feature_network, "INCEPTION_URL", server.url)
        network = load_feature_network("inception", device="cpu")
        assert network.facts.resize == "paper"
        assert [note for note in network.notes if "could not be verified" in note]
        assert (network.facts.frechet_name(), network.facts.kernel_name()) == ("FID", "KID")
        assert extract_features(write_images(tmp_path / "images", 3), network).shape == (3, 2048)
        assert load_feature_network("inception", device="cpu").notes == []
        assert len(server.asked) == 1
    place = own_cache / "networks" / "file.bin"
    with pytest.raises(DataError, match="fails on"):  # it is not shown images of other sizes
        extract_features(find_images(tmp_path / "images"), load_feature_network("inception", "none", "cpu"))
    by_path = load_feature_network(place, "clean", "cpu")
    assert by_path.facts.frechet_name() == "FD"
    assert extract_features(find_images(tmp_path / "images"), by_path).shape == (3, 2048)


def test_another_network_in_inceptions_place(tmp_path: Path, own_cache: Path) -> None:
    write_network(own_cache / "networks" / "inception-2015-12-05.pt")
    with pytest.raises(DataError, match="48 features, not 2048"):
        extract_features(write_images(tmp_path / "images", 3), load_feature_network("inception", device="cpu"))
