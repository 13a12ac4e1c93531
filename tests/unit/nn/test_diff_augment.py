"""Augmentation against slicing, image by image."""

import pytest
import torch
from torch import Tensor

from nicegan.nn.diff_augment import DiffAugment, cut_out, translate

UNIFORM = torch.tensor([[0.0, 0.999], [0.5, 0.2], [0.999, 0.0], [0.31, 0.77]])
SIZES = [(16, 24), (20, 12), (9, 10)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_translations_move_pixels_and_bring_in_grey(height: int, width: int) -> None:
    image = torch.randn(4, 3, height, width)
    moved = translate(image, UNIFORM)
    for one, from_one, (vertical, horizontal) in zip(moved, image, UNIFORM.tolist(), strict=True):
        far_y, far_x = round(height / 8), round(width / 8)
        dy, dx = int(vertical * (2 * far_y + 1)) - far_y, int(horizontal * (2 * far_x + 1)) - far_x
        for y in range(height):
            for x in range(width):
                inside = 0 <= y + dy < height and 0 <= x + dx < width
                expected = from_one[:, y + dy, x + dx] if inside else torch.zeros(3)
                assert torch.equal(one[:, y, x], expected)


def test_the_farthest_translations_are_an_eighth_of_a_side() -> None:
    image = torch.zeros(2, 3, 64, 64)
    image[:, :, 32, 32] = 1.0
    moved = translate(image, torch.tensor([[0.0, 0.0], [0.9999, 0.9999]]))
    assert [tuple(one[0].nonzero()[0].tolist()) for one in moved] == [(40, 40), (24, 24)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_cutout_is_half_of_each_side_around_a_pixel(height: int, width: int) -> None:
    cut = cut_out(torch.ones(4, 3, height, width), UNIFORM)
    for one, (vertical, horizontal) in zip(cut, UNIFORM.tolist(), strict=True):
        expected = torch.ones(height, width)
        top, left = int(vertical * height) - round(height / 2) // 2, int(horizontal * width) - round(width / 2) // 2
        bottom, right = top + round(height / 2), left + round(width / 2)
        expected[max(top, 0) : bottom, max(left, 0) : right] = 0
        assert all(torch.equal(channel, expected) for channel in one)


def test_gradients_are_those_of_what_is_still_seen() -> None:
    image = torch.randn(4, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    both = DiffAugment((translate, cut_out))
    uniform = torch.stack([UNIFORM, UNIFORM.flip(0)], dim=1).double()

    def seen(image: Tensor) -> Tensor:
        return both(image, uniform)

    assert torch.autograd.gradcheck(seen, image)


def test_images_have_random_numbers_of_their_own_that_repeat_by_seed() -> None:
    both = DiffAugment((translate, cut_out))
    numbers = [both.random_numbers(3, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert numbers[0].shape == (3, 2, 2)
    assert torch.equal(numbers[0], numbers[1])
    assert not torch.equal(numbers[0], numbers[2])
    assert len(numbers[0].unique()) == numbers[0].numel()


def test_no_transform_is_the_image_itself() -> None:
    image = torch.rand(1, 3, 8, 8)
    assert DiffAugment()(image, None) is image
    with pytest.raises(AssertionError, match="random numbers"):
        DiffAugment((translate,))(image, None)
