"""The table of made-up runs, against numbers worked out by hand; and what it says of them."""

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from nicegan.ablation.figure import plot
from nicegan.ablation.grid import make_grid
from nicegan.ablation.table import (
    AblationTable,
    Measured,
    Row,
    RunResult,
    markdown,
    read_result,
    runs_csv,
    settings_csv,
)
from nicegan.recipes import recipe

GRID = make_grid(recipe("nicegan-tiny"), {"attention": ["residual", "plain", "none"]})
SCORES = {"residual": [10.0, 12.0, 14.0], "plain": [11.0, 13.0, 12.5], "none": [30.0, 31.0, 32.0]}


def made_up(scores: dict[str, list[float]] = SCORES, *, others: bool = False) -> AblationTable:
    rows = []
    for setting in GRID.settings:
        runs = []
        for seed, best in enumerate(scores.get(setting.values[0], [])):
            found = {"sliced_wasserstein": Measured(best, best + seed, 50.0)}
            if others:
                found["kernel"] = Measured(best / 1000)
            runs.append(RunResult(seed, f"{setting.name}/seed-{seed}", 100 * (seed + 1), 300, found, 8.0 + seed))
        rows.append(Row(setting, tuple(runs), 2_200_000))
    return AblationTable(GRID, tuple(rows), ("Recipe x.",), ("Failed: y.",))


def rows_of(page: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]


def test_the_table_by_hand() -> None:
    heads, _, *rows = rows_of(markdown(made_up()))
    assert heads[0] == "attention"
    by_name = {row[0]: dict(zip(heads, row, strict=True)) for row in rows}
    assert list(by_name) == ["residual", "plain", "none", "no translation"]
    first, none = by_name["residual"], by_name["none"]
    assert first["seeds"] == "3"
    assert first["sliced wasserstein, best"] == "12.00 ± 2.00"
    assert first["sliced wasserstein, last"] == "13.00 ± 3.00"  # 10, 13, 16
    assert first["best at step"] == "100 to 300"
    assert first["parameters trained (M)"] == "2.200"
    assert first["images/s"] == "9.0"
    apart = "sliced wasserstein, best: difference to the first row (95 % interval)"
    assert first[apart] == ""
    # s^2 = 4 and 1, n = 3: se = sqrt(5/3), nu = (5/3)^2 / ((4/3)^2 / 2 + (1/3)^2 / 2) = 2.941, t = 3.219
    assert none[apart] == "+19.00 (+14.84 to +23.16)"
    assert by_name["no translation"]["sliced wasserstein, best"] == "50.00"


def test_it_says_what_is_more_than_the_spread_and_what_is_not() -> None:
    page = markdown(made_up())
    assert "more than the spread over seeds: attention=none (higher)." in page
    assert "no difference from the first row beyond the spread over seeds: attention=plain." in page
    assert "The 2 intervals" in page
    assert "* Recipe x." in page
    assert "* Failed: y." in page
    single = markdown(made_up({name: values[:1] for name, values in SCORES.items()}))
    assert "a single seed has no spread, the difference may be chance: attention=plain; attention=none." in single
    assert "more than the spread" not in single


def test_the_files_for_programs_hold_the_same() -> None:
    settings = list(csv.DictReader(io.StringIO(settings_csv(made_up()))))
    assert [line["attention"] for line in settings] == ["residual", "plain", "none"]
    assert float(settings[0]["sliced_wasserstein_best_deviation"]) == pytest.approx(2.0)
    assert settings[0]["sliced_wasserstein_difference"] == ""
    assert float(settings[2]["sliced_wasserstein_difference"]) == pytest.approx(19.0)
    assert float(settings[2]["sliced_wasserstein_difference_low"]) == pytest.approx(14.84, abs=0.01)
    runs = list(csv.DictReader(io.StringIO(runs_csv(made_up()))))
    assert len(runs) == 9
    assert (runs[1]["seed"], runs[1]["folder"], runs[1]["best_step"]) == ("1", "attention=residual/seed-1", "200")
    assert (runs[1]["sliced_wasserstein_last"], runs[1]["sliced_wasserstein_untranslated"]) == ("13.0", "50.0")


def test_any_number_of_scores() -> None:
    table = made_up(others=True)
    heads, _, *rows = rows_of(markdown(table))
    assert all(len(row) == len(heads) for row in rows)
    assert dict(zip(heads, rows[0], strict=True))["kernel, best"] == "0.01200 ± 0.00200"
    assert runs_csv(table).splitlines()[0].count("kernel") == 3
    assert float(list(csv.DictReader(io.StringIO(settings_csv(table))))[2]["kernel_difference"]) == pytest.approx(0.019)


@pytest.mark.parametrize("scores", [{}, {"none": [1.0]}, SCORES], ids=["nothing", "one run", "all"])
def test_tables_and_figures_of_parts(scores: dict[str, list[float]]) -> None:
    for others in (False, True):
        table = made_up(scores, others=others)
        heads, _, *rows = rows_of(markdown(table))
        assert all(len(row) == len(heads) for row in rows)
        assert len(settings_csv(table).splitlines()) == 4
        picture = Image.open(io.BytesIO(plot(table)))
        assert picture.width > 400
        assert picture.height > 150


def test_a_run_folder_is_read(tmp_path: Path) -> None:
    lines = [
        {"step": 1, "generator/A/cycle": 1.0, "images_per_second": 2.0},
        {"step": 2, "score/sliced_wasserstein": 9.0, "score/frechet": 90.0, "score/no_translation": 20.0},
        {"step": 4, "score/sliced_wasserstein": 7.0, "score/frechet": 95.0, "score/no_translation": 20.0},
        {"step": 6, "score/sliced_wasserstein": 8.0, "score/frechet": 80.0, "score/no_translation": 20.0},
        {"step": 6, "images_per_second": 3.0},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "best").write_text(json.dumps({"checkpoint": "checkpoints/4", "step": 4, "why": "", "score": 7.0}))
    assert read_result(tmp_path, 5, "here") == RunResult(
        5, "here", 4, 6, {"sliced_wasserstein": Measured(7.0, 8.0, 20.0), "frechet": Measured(95.0, 80.0, None)}, 3.0
    )
