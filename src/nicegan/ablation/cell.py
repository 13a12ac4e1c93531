"""One run of an ablation, and whether it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from nicegan.ablation.grid import Setting
from nicegan.checkpoint import read_pointer
from nicegan.errors import ConfigError
from nicegan.metric_names import parse_score
from nicegan.run_config import NO_EFFECT, RunConfig, differences
from nicegan.run_folder import RunFolder

FREE = NO_EFFECT | {"on_nan", "max_rollbacks"}  # the latter let a run that failed try again


class Cell(NamedTuple):
    """One run of the ablation: a setting with a seed, and its folder."""

    setting: Setting
    seed: int
    folder: Path

    @property
    def config(self) -> RunConfig:
        return self.setting.config.model_copy(update={"seed": self.seed})

    def __str__(self) -> str:
        return f"{self.setting.name}, seed {self.seed}"


def decisive(old: RunConfig, new: RunConfig) -> dict[str, tuple[Any, Any]]:
    """Return the differences on which a result depends: dotted name -> (old, new)."""
    return {name: values for name, values in differences(old, new).items() if name not in FREE}


def is_finished(cell: Cell) -> bool:
    """Return whether the run is done: at its last step or out of patience, and its best checkpoint pointed at.

    Raises:
        ConfigError: the cell's folder holds a run with other settings.
    """
    folder = RunFolder(cell.folder)
    if not folder.config.is_file():
        return False
    if changed := decisive(folder.read_config(), cell.config):
        rows = ", ".join(f"{name} {old} there, {new} in the ablation" for name, (old, new) in changed.items())
        raise ConfigError(f"{cell.folder} holds a run with other settings ({rows}): remove it or choose another --out")
    scored = [line for line in folder.read_metrics() if any(map(parse_score, line))]
    latest, best = read_pointer(folder.latest).step, read_pointer(folder.best).step
    if best is None or latest is None or not scored or scored[-1]["step"] > latest:
        return False
    if min(scored, key=chosen_by)["step"] != best:  # a kill before the last pointer; training again only writes that
        return False
    num_worse = sum(line["step"] > best for line in scored)
    return latest >= cell.config.steps or 0 < cell.config.patience <= num_worse


def chosen_by(line: dict[str, float]) -> float:
    """Return the score of a line of metrics that chooses the best checkpoint: the first one."""
    return next(value for name, value in line.items() if parse_score(name))
