"""The files of a comparison: its table in four forms, its curves and its sheets."""

from __future__ import annotations

import json
from pathlib import Path

from nicegan.comparison.figure import plot
from nicegan.comparison.outputs import DIRECTIONS
from nicegan.comparison.sheets import sheet
from nicegan.comparison.table import (
    ComparisonTable,
    as_csv,
    as_json,
    cells,
    facts,
    heads,
    markdown,
    untranslated_cells,
)
from nicegan.files import write_atomically
from nicegan.report.html import figure, page, paragraph, section, table

PAGE = "index.html"


def write_results(found: ComparisonTable, out: Path) -> None:
    """Write what is known so far: table.md, table.csv, table.json, index.html, curves.png and a sheet a direction."""
    pictures = {"curves.png": plot(found)}
    pictures |= {f"sheet-{way.folder}.png": sheet(found, way, out) for way in DIRECTIONS}
    for name, png in pictures.items():
        if png:
            write_atomically(out / name, png)
    write_atomically(out / "table.md", markdown(found).encode())
    write_atomically(out / "table.csv", as_csv(found).encode())
    write_atomically(out / "table.json", (json.dumps(as_json(found), indent=1) + "\n").encode())
    write_atomically(out / PAGE, _page(found, out.resolve().name, pictures).encode())


def _page(found: ComparisonTable, title: str, pictures: dict[str, bytes | None]) -> str:
    rows = [cells(found, row) for row in found.rows]
    if any(row.scores for row in found.rows):
        rows.append(untranslated_cells(found))
    captions = {"curves.png": "The score that chose the checkpoints, over steps and over minutes of training"}
    captions |= {f"sheet-{way.folder}.png": f"{way}: the same sources, each recipe's first seed" for way in DIRECTIONS}
    shown = [figure(png, captions[name], wide=True) for name, png in pictures.items() if png]
    sections = [
        section("Scores and costs", table(heads(found), rows)),
        section("Conditions", "".join(map(paragraph, facts(found)))),
        section("Curves and outputs", "".join(shown) or paragraph("Nothing is trained yet.")),
    ]
    names = ", ".join(row.name for row in found.rows)
    return page(title, f"{names}: {found.budget} each, {len(found.seeds)} seeds", sections)
