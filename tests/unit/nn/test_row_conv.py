"""Convolutions to few channels by rows: the same numbers as in one piece."""

import pytest
import torch
from tests.unit.nn.direct import assert_is_direct

from nicegan.nn import row_conv


@pytest.mark.parametrize(("out_channels", "kernel"), [(3, (7, 7)), (1, (4, 4)), (2, (3, 5))], ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_values_and_gradients_equal_those_in_one_piece(
    out_channels: int, kernel: tuple[int, int], layout: torch.memory_format
) -> None:
    padded = torch.randn(2, 5, 13, 11, dtype=torch.float64).contiguous(memory_format=layout)
    assert_is_direct(row_conv, padded, torch.randn(out_channels, 5, *kernel, dtype=torch.float64))
