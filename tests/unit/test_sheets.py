"""Sheets: every tile in its place, and heat where it is."""

import numpy as np
import torch

from nicegan.sheets import GROUP_GAP, MARGIN, Group, overlaid, plot_sheet, stacked


def flat(value: int, count: int, side: int = 100) -> torch.Tensor:
    return torch.full((count, side, side, 3), value, dtype=torch.uint8)


def test_tiles_stand_in_columns_and_rows() -> None:
    sheet = plot_sheet([Group("one", {"a": flat(10, 2), "b": flat(20, 2)}), Group("two", {"c": flat(30, 1)})])
    assert sheet.width == 3 * (100 + MARGIN) + GROUP_GAP + MARGIN
    pixels = np.asarray(sheet)[:, :, 0]
    lefts = [MARGIN, 104 + MARGIN, 208 + MARGIN + GROUP_GAP]
    for left, value, rows in zip(lefts, (10, 20, 30), (2, 2, 1), strict=True):
        assert (pixels[-104 * 2 : -104 * 2 + 100, left : left + 100] == value).all()
        assert (pixels[-104:-MARGIN, left : left + 100] == (value if rows == 2 else 255)).all()
    assert stacked([sheet, sheet]).size == (sheet.width, 2 * sheet.height + GROUP_GAP)


def test_small_tiles_are_enlarged_and_large_ones_get_larger_letters() -> None:
    assert plot_sheet([Group("", {"a": flat(0, 1, 40)})]).width == 120 + 2 * MARGIN
    small, large = (plot_sheet([Group("", {"a": flat(0, 1, side)})]).height - side for side in (128, 256))
    assert large > small


def test_heat_is_laid_over_a_grey_image() -> None:
    heat = torch.zeros(1, 1, 4, 4)
    heat[..., 2:] = 1
    shown = overlaid(heat, torch.zeros(1, 3, 4, 4))
    assert shown.shape == (1, 3, 4, 4)
    assert shown.abs().max() <= 1
    assert (shown[..., 2:].mean(dim=1) > shown[..., :2].mean(dim=1) + 0.5).all()


def test_a_long_title_takes_lines_and_stays_over_its_columns() -> None:
    def columns() -> dict[str, torch.Tensor]:
        return {"a": flat(0, 1), "b": flat(0, 1)}

    title = "runs/ablation/encoder=independent,attention=residual/seed-0, and the nearest of B"
    short, long = (plot_sheet([Group(words, columns()), Group("", columns())]) for words in ("x", title))
    assert long.width == short.width
    assert long.height > short.height
    above_the_second = np.asarray(long.convert("L"))[: long.height - 104 - 20, 2 * 104 + MARGIN + GROUP_GAP :]
    assert (above_the_second == 255).all()
