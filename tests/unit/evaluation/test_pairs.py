"""Which image belongs to which, and how the files of two sets differ."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nicegan.errors import DataError
from nicegan.evaluation.pairs import partners
from nicegan.evaluation.unlike import kind_of, unlike_note


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (["a.png", "b.png"], ["b.png", "a.png"], [1, 0]),
        (["a.png", "b.png"], ["a.jpg", "b.webp"], [0, 1]),
        (["cat.jpg", "cat.png"], ["cat.png", "cat.jpg"], [1, 0]),
        (["cat.jpg.png", "cat.png.png"], ["cat.jpg", "cat.png"], [0, 1]),  # as translations are named
        (["cat.jpg", "cat.png"], ["cat.jpg.png", "cat.png.png"], [0, 1]),
        (["IMG.PNG"], ["img.jpg"], [0]),
        (["x/a.png", "y/a.png"], ["y/a.jpg", "x/a.jpg"], [1, 0]),
        (["000000", "000001"], ["000001", "000000"], [1, 0]),
        (["a.b.png"], ["a.b.jpg"], [0]),
    ],
)
def test_partners_are_found_by_path_then_without_suffix_then_without_case(
    ours: list[str], theirs: list[str], expected: list[int]
) -> None:
    assert partners(ours, theirs, "here", "there") == expected


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (["a.png", "b.png"], ["a.png"], "1 of 2 images in here have none of their name in there: 'b.png'"),
        (["cat.webp"], ["cat.png", "cat.jpg"], "'cat.webp' could belong to 'cat.png', 'cat.jpg' in there"),
        (["cat.webp", "cat.bmp"], ["cat.png"], "several images in here belong to one in there: 'cat.webp', 'cat.bmp'"),
    ],
)
def test_what_has_no_partner_or_several_is_refused_with_a_list(ours: list[str], theirs: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        partners(ours, theirs, "here", "there")


@pytest.mark.parametrize("quality", [20, 50, 75, 95])
def test_the_quality_of_a_jpeg_is_told(quality: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=quality)
    kind = kind_of([tmp_path / "a.jpg"])
    assert kind is not None
    assert kind[:2] == ((24, 16), "JPEG")
    assert kind.quality == pytest.approx(quality, abs=1)


def test_unlike_files_get_a_note_with_the_numbers(tmp_path: Path) -> None:
    for name, size in (("a.png", 16), ("b.png", 16), ("c.jpg", 32)):
        Image.new("RGB", (size, size)).save(tmp_path / name)
    a, b, c = (sorted(tmp_path.iterdir())[number : number + 1] for number in range(3))
    assert unlike_note({"real": a, "fake": b}) is None
    note = unlike_note({"real": a, "fake": c})
    assert note is not None
    assert "16x16 PNG (real), 32x32 JPEG of quality 75 (fake)" in note
