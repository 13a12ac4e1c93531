"""The images of a step: a pure function of seed, step and rank."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nicegan.data.augment import cropped, to_network, to_pixels
from nicegan.data.sampler import (
    WINDOW,
    Crop,
    Share,
    crop,
    sampled_index,
    serials,
    shard_order,
    window_order,
)


class Pick(NamedTuple):
    image: int
    top: int
    left: int
    flip: bool


def at(step: int, share: Share = Share(), **changes: int) -> list[Pick]:  # noqa: B008
    """What one process sees at a step of a domain with decoded images."""
    of = {"seed": 3, "domain": 0, "num_images": 10, "batch_size": 2, "margin": 8} | changes
    return [
        Pick(
            sampled_index(of["seed"], of["domain"], serial, of["num_images"]),
            *crop(of["seed"], of["domain"], serial, of["margin"]),
        )
        for serial in serials(step * of["batch_size"] * share.num_ranks, share, of["batch_size"])
    ]


@given(st.integers(0, 2**62), st.integers(0, 10**9), st.integers(1, 50), st.integers(0, 40))
def test_the_same_step_gives_the_same_picks_inside_their_bounds(
    seed: int, step: int, num_images: int, margin: int
) -> None:
    picked = at(step, seed=seed, num_images=num_images, margin=margin)
    assert picked == at(step, seed=seed, num_images=num_images, margin=margin)
    for pick in picked:
        assert 0 <= pick.image < num_images
        assert 0 <= pick.top <= margin
        assert 0 <= pick.left <= margin


def test_every_image_is_seen_once_an_epoch() -> None:
    for epoch in range(3):
        seen = Counter(pick.image for step in range(5 * epoch, 5 * epoch + 5) for pick in at(step))
        assert seen == Counter(range(10))


def test_epochs_seeds_and_domains_have_orders_of_their_own() -> None:
    def order(first: int, **changes: int) -> list[int]:
        return [pick.image for step in range(first, first + 5) for pick in at(step, Share(), **changes)]

    orders = [order(0), order(5), order(0, seed=4), order(0, domain=1)]
    assert len({tuple(one) for one in orders}) == 4


def test_any_number_of_processes_sees_the_same_images() -> None:
    alone = [pick for step in range(6) for pick in at(step, Share(), batch_size=4)]
    together = [pick for step in range(6) for rank in range(2) for pick in at(step, Share(rank, 2))]
    assert alone == together


def test_crops_and_flips_are_spread() -> None:
    picked = [pick for step in range(500) for pick in at(step)]
    assert 400 < sum(pick.flip for pick in picked) < 600
    assert {pick.top for pick in picked} == {pick.left for pick in picked} == set(range(9))


def test_crops_are_windows_of_the_images() -> None:
    store = np.arange(2 * 6 * 7 * 3, dtype=np.uint8).reshape(2, 6, 7, 3)
    cut = cropped([store[1], store[0]], [Crop(2, 1, flip=False), Crop(0, 3, flip=True)], (4, 4))
    assert np.array_equal(cut[0], store[1, 2:6, 1:5])
    assert np.array_equal(cut[1], store[0, 0:4, 3:7][:, ::-1])


def test_every_window_is_permuted_whole_and_every_epoch_visits_every_shard() -> None:
    orders = {window_order(*key) for key in ((3, 0, 0), (3, 0, 1), (3, 1, 0), (4, 0, 0))}
    assert len(orders) == 4
    assert all(sorted(order) == list(range(WINDOW)) for order in orders)
    of_shards = [shard_order(3, domain, epoch, 50) for domain in (0, 1) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(50)) for order in of_shards)
    assert len(set(map(tuple, of_shards))) == 4


def test_the_order_of_earlier_versions_is_kept() -> None:
    """Written down from version 0.1.0, so that its runs go on with the images they would have seen."""
    earlier = [(6, 7, 6, False), (8, 3, 1, False), (1, 3, 3, True), (8, 3, 2, False)]
    assert [tuple(pick) for pick in at(0) + at(12345)] == earlier


@pytest.mark.parametrize("value", [0, 1, 127, 128, 254, 255])
def test_bytes_survive_the_way_into_the_network_and_back(value: int) -> None:
    pixels = torch.full((1, 2, 2, 3), value, dtype=torch.uint8)
    image = to_network(pixels)
    assert image.shape == (1, 3, 2, 2)
    assert -1 <= image.min() <= image.max() <= 1
    assert torch.equal(to_pixels(image), pixels)
