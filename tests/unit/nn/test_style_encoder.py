"""The style encoder: one vector for an image of any size, and what it answers to."""

import torch

from nicegan.nn.style_encoder import SMALLEST_SIDE, StyleEncoder


def test_an_image_of_any_size_has_one_vector_and_all_weights_learn() -> None:
    network = StyleEncoder(4, 8)
    for size in ((SMALLEST_SIDE, SMALLEST_SIDE), (40, 24)):
        assert network(torch.rand(2, 3, *size)).shape == (2, 8)
    network(torch.rand(2, 3, 32, 32)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_a_style_follows_the_contrast_of_an_image() -> None:
    """With biases of 0 the network is linear along a ray: twice the contrast is twice the style."""
    torch.manual_seed(0)
    network = StyleEncoder(4, 8).double()
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.zeros_(parameter)
    image = torch.rand(1, 3, 32, 32, dtype=torch.float64) * 2 - 1
    torch.testing.assert_close(network(2 * image), 2 * network(image))


def test_a_mirrored_network_sees_a_mirrored_image_alike() -> None:
    """No side of an image counts more than the other: paddings and strides are symmetrical."""
    torch.manual_seed(0)
    network = StyleEncoder(4, 8).double()
    mirrored = StyleEncoder(4, 8).double()
    state = {name: value.flip(3) if value.ndim == 4 else value for name, value in network.state_dict().items()}
    mirrored.load_state_dict(state)
    image = torch.rand(1, 3, 32, 48, dtype=torch.float64)
    torch.testing.assert_close(mirrored(image.flip(3)), network(image))
