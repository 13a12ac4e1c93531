"""The images of a step: a pure function of seed, step and rank."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nicegan.data.augment import crops, to_network, to_pixels
from nicegan.data.stream import Pick, Shard, picks


def at(step: int, shard: Shard = Shard(), **changes: int) -> list[Pick]:  # noqa: B008
    settings = {"seed": 3, "domain": 0, "num_images": 10, "batch_size": 2, "margin": 8} | changes
    drawn = step * settings["batch_size"] * shard.num_ranks
    return picks(drawn=drawn, shard=shard, **settings)


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
        return [pick.image for step in range(first, first + 5) for pick in at(step, Shard(), **changes)]

    orders = [order(0), order(5), order(0, seed=4), order(0, domain=1)]
    assert len({tuple(one) for one in orders}) == 4


def test_any_number_of_processes_sees_the_same_images() -> None:
    alone = [pick for step in range(6) for pick in at(step, Shard(), batch_size=4)]
    together = [pick for step in range(6) for rank in range(2) for pick in at(step, Shard(rank, 2))]
    assert alone == together


def test_crops_and_flips_are_spread() -> None:
    picked = [pick for step in range(500) for pick in at(step)]
    assert 400 < sum(pick.flip for pick in picked) < 600
    assert {pick.top for pick in picked} == {pick.left for pick in picked} == set(range(9))


def test_crops_are_windows_of_the_store() -> None:
    store = np.arange(2 * 6 * 7 * 3, dtype=np.uint8).reshape(2, 6, 7, 3)
    cut = crops(store, [Pick(1, 2, 1, flip=False), Pick(0, 0, 3, flip=True)], (4, 4))
    assert np.array_equal(cut[0], store[1, 2:6, 1:5])
    assert np.array_equal(cut[1], store[0, 0:4, 3:7][:, ::-1])


@pytest.mark.parametrize("value", [0, 1, 127, 128, 254, 255])
def test_bytes_survive_the_way_into_the_network_and_back(value: int) -> None:
    pixels = torch.full((1, 2, 2, 3), value, dtype=torch.uint8)
    image = to_network(pixels)
    assert image.shape == (1, 3, 2, 2)
    assert -1 <= image.min() <= image.max() <= 1
    assert torch.equal(to_pixels(image), pixels)
