"""A published pair of files that is damaged is refused in one line, whatever is wrong with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nicegan.errors import CheckpointError
from nicegan.methods.munit.published import read_published as read_munit
from nicegan.methods.unit.published import read_published as read_unit

READERS = {"enc.model.0.conv.weight": read_unit, "enc_content.model.0.conv.weight": read_munit}
SCALAR, IMAGE_LAYER = torch.tensor(1.0), torch.zeros(4, 3, 7, 7)


def write(folder: Path, name: str, part: Any) -> None:
    torch.save({"a": part, "b": part}, folder / name)


@pytest.mark.parametrize(("mark", "read"), READERS.items())
@pytest.mark.parametrize("first", [SCALAR, IMAGE_LAYER])
@pytest.mark.parametrize(
    "discriminators", [None, 3, {}, {"cnns.0.1.conv.weight": IMAGE_LAYER}, {"cnns.0.0.conv.weight": SCALAR}]
)
def test_it_is_one_line(
    mark: str, read: Callable[[Path], Any], first: Tensor, discriminators: Any, tmp_path: Path
) -> None:
    write(tmp_path, "gen_00000001.pt", {mark: first, "mlp.model.0.fc.weight": first})
    if discriminators is not None:
        write(tmp_path, "dis_00000001.pt", discriminators)
    with pytest.raises(CheckpointError) as problem:
        read(tmp_path)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("read", READERS.values())
def test_generators_that_are_none_are_another_kind_of_file(read: Callable[[Path], Any], tmp_path: Path) -> None:
    write(tmp_path, "gen_00000001.pt", IMAGE_LAYER)
    assert read(tmp_path) is None
