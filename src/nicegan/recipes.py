"""Presets: one for every run we stand behind, each method's own.

`nicegan train DATA --recipe NAME --out RUN` runs one; its memory is what `nicegan bench memory NAME` predicts.
"""

from typing import Any

from pydantic import ValidationError

from nicegan.config import first_mistake
from nicegan.errors import ConfigError
from nicegan.methods.registry import METHODS
from nicegan.run_config import RunConfig

RECIPES: dict[str, RunConfig] = {
    name: RunConfig(recipe=name, method=preset.method, **preset.run)  # pyright: ignore[reportArgumentType]
    for method in METHODS.values()
    for name, preset in method.recipes().items()
}


def recipe(name: str, **changes: Any) -> RunConfig:
    """Return the configuration of a recipe, with changes, checked: `recipe("nicegan-tiny", data="photos", steps=500)`.

    Raises:
        ConfigError: no such recipe (names those there are), or changes that do not fit.
    """
    if name not in RECIPES:
        raise ConfigError(f"there is no recipe {name!r}; there is {', '.join(RECIPES)}")
    try:
        return RunConfig.model_validate({**RECIPES[name].model_dump(), **changes})
    except ValidationError as problem:
        raise ConfigError(first_mistake(problem)) from None
