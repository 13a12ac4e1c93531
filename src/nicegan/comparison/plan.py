"""What a comparison trains: recipes made equal in data, size, budget and seeds, each otherwise as published."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from nicegan.config import Frozen
from nicegan.errors import ConfigError
from nicegan.recipes import RECIPES, recipe
from nicegan.run_config import RunConfig

COMPARISON_FILE = "comparison.json"  # what a comparison is, in its folder
UNITS = {"s": 1, "m": 60, "h": 3600}
NUM_SCORES = 8  # of a run, at equal distances
FEWEST = 2  # recipes of a comparison
BY_DEFAULT = {"crop_margin", "accumulate", "average_decay"}  # of the first recipe, where recipes differ


class Budget(NamedTuple):
    """What each run may take: so many steps, or so many seconds of training on an otherwise idle machine."""

    steps: int | None
    seconds: float | None

    def __str__(self) -> str:
        if self.steps is not None:
            return f"{self.steps:,} steps"
        seconds = self.seconds or 0
        return f"{seconds / 60:g} minutes" if seconds >= UNITS["m"] else f"{seconds:g} seconds"


class Entry(NamedTuple):
    """A recipe under its name, as it is trained here; its seed and, for a budget of time, its steps come later."""

    name: str
    config: RunConfig


def parse_budget(text: str) -> Budget:
    """Return "2000" as steps, and "90s", "10m" or "2h" as time.

    Raises:
        ConfigError: another text, or no budget at all.
    """
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)([smh]?)", text.strip().replace(",", ""))
    if not found or float(found[1]) <= 0 or (not found[2] and "." in found[1]):
        raise ConfigError(f"--budget {text}: name steps (2000), or a time for each run (90s, 10m, 2h)")
    if found[2]:
        return Budget(None, float(found[1]) * UNITS[found[2]])
    return Budget(int(found[1]), None)


def make_entries(
    names: Sequence[str], shared: dict[str, Any], budget: Budget, *, equal_optimizer: bool = False
) -> list[Entry]:
    """Return the recipes with what they share.

    Args:
        names: of recipes, each once.
        shared: settings that all of them get; image_size and batch_size are the first recipe's unless given.
        budget: of each run.
        equal_optimizer: give all of them the first recipe's optimizer settings instead of the published ones.

    Raises:
        ConfigError: too few recipes, one that is not there or named twice, or settings that do not fit one of them.
    """
    if len(names) < FEWEST or len(set(names)) != len(names):
        raise ConfigError(f"--recipes: name two or more, each once; there is {', '.join(RECIPES)}")
    first = recipe(names[0])
    common = {"image_size": first.image_size, "batch_size": first.batch_size}
    common |= {name: getattr(first, name) for name in BY_DEFAULT} | shared
    common |= every(budget.steps) if budget.steps else {}
    if equal_optimizer:
        common["optimizer"] = _plain(first.method.optimizer)
    return [Entry(name, _fitted(name, common)) for name in names]


def every(steps: int) -> dict[str, int]:
    """Return a number of steps, and how often a run of them is scored and saved."""
    interval = max(1, -(-steps // NUM_SCORES))
    return {"steps": steps, "score_every": interval, "checkpoint_every": interval, "sample_every": interval}


def _fitted(name: str, common: dict[str, Any]) -> RunConfig:
    try:
        return recipe(name, **common)
    except ConfigError as problem:
        raise ConfigError(f"{name}: {problem}") from None


def _plain(group: Frozen) -> dict[str, Any]:
    """Return the settings of Adam that every method's optimizer has."""
    return group.model_dump(include={"learning_rate", "beta1", "beta2", "weight_decay"})
