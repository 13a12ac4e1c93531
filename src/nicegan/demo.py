"""The demo: day and night landscapes, painted so that the true counterpart of every test scene is known.

nicegan demo --out demo        2 to 6 minutes on one CPU core
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from nicegan.console import say
from nicegan.data.augment import to_pixels
from nicegan.data.synthetic import DemoData, write_demo_data
from nicegan.errors import DataError
from nicegan.evaluation.truth import TRUTH_COLUMNS, TruthScore, read_all, score_against_truth
from nicegan.files import write_atomically
from nicegan.inference.files import translate_files
from nicegan.inference.translator import load
from nicegan.recipes import recipe
from nicegan.report.full import report
from nicegan.report.html import figure, section, table
from nicegan.run_config import RunConfig
from nicegan.shapes import OTHER, DomainName
from nicegan.sheets import Group, plot_sheet
from nicegan.training.trainer import train

NUM_TRAIN, NUM_TEST = 400, 48  # scenes a domain
DIRECTIONS: tuple[tuple[str, DomainName], ...] = (("day to night", "B"), ("night to day", "A"))
NUM_SHOWN = 6  # scenes of each direction in the picture


class DemoOutcome(NamedTuple):
    """The scores of both directions, and where the report is; no scores if the demo was stopped."""

    scores: list[TruthScore]
    report: Path
    exit_code: int


def run_demo(out: Path, *, seed: int, steps: int | None, console: Console) -> DemoOutcome:
    """Paint, train, translate, score, report.

    Raises:
        DataError: `out` holds something other than a demo of this seed.
    """
    config = demo_config(out, seed, steps)
    demo = prepare(out, seed, config)
    outcome = train(config, out / "run", console)
    if outcome.exit_code:
        say(console, "the demo goes on when its command is given again")
        return DemoOutcome([], out / "run" / "report.html", outcome.exit_code)
    translator = load(out / "run")
    scores, groups = [], []
    for (name, to), truth in zip(DIRECTIONS, (demo.truth_of_a, demo.truth_of_b), strict=True):
        inputs = demo.dataset / f"test{OTHER[to]}"
        translated = out / f"translated_to_{to}"
        translate_files(translator, [inputs], translated, to=to)
        scores.append(score_against_truth(name, inputs, translated, truth))
        groups.append(truth_sheet(name, {"input": inputs, "translation": translated, "truth": truth}))
    plot_sheet(groups).save(out / "grid.png")
    (out / "scores.json").write_text(json.dumps([score.as_dict() for score in scores], indent=1) + "\n")
    content = table(TRUTH_COLUMNS, [score.row() for score in scores])
    caption = "Test scenes, translated, and the truth"
    content += figure((out / "grid.png").read_bytes(), caption, wide=True)
    page = report(out / "run", console=console, first=(section("Nearness to the truth", content),))
    console.print(score_table(scores))
    return DemoOutcome(scores, page, 0)


def demo_config(out: Path, seed: int, steps: int | None) -> RunConfig:
    """Return the recipe on the demo's data."""
    shorter = {} if steps is None else {"steps": steps}
    return recipe("nicegan-tiny", data=out / "dataset", seed=seed, **shorter)


def prepare(out: Path, seed: int, config: RunConfig) -> DemoData:
    """Paint the scenes, unless this demo has painted them before."""
    note = out / "demo.json"
    settings = json.dumps({"seed": seed, "side": config.size[0], "num_train": NUM_TRAIN, "num_test": NUM_TEST})
    ours = note.is_file() and note.read_bytes() == settings.encode()
    if not ours and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} exists and is not this demo with seed {seed}: remove it or choose another --out")
    if ours and (out / "run").exists():
        return DemoData(out / "dataset", out / "truth" / "A_as_B", out / "truth" / "B_as_A")
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(note, settings.encode())  # first: what is half painted can be painted again
    return write_demo_data(out, seed=seed, side=config.size[0], num_train=NUM_TRAIN, num_test=NUM_TEST)


def truth_sheet(direction: str, folders: dict[str, Path]) -> Group:
    """Return the first scenes of each folder, a column a folder."""
    first = {name: sorted(folder.glob("*.png"))[:NUM_SHOWN] for name, folder in folders.items()}
    return Group(direction, {name: to_pixels(read_all(paths)) for name, paths in first.items()})


def score_table(scores: list[TruthScore]) -> Table:
    """Return the scores for a terminal."""
    shown = Table(title="How near the truth (more is nearer)", title_justify="left")
    for column in TRUTH_COLUMNS:
        shown.add_column(column, justify="left" if column == "direction" else "right", no_wrap=column == "direction")
    for score in scores:
        shown.add_row(*score.row())
    return shown
