"""Presets: one for every run we stand behind, each method's own.

`nicegan train DATA --recipe NAME --out RUN` runs one; its memory is what `nicegan bench memory NAME` predicts.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from nicegan.config import Frozen, first_mistake
from nicegan.errors import ConfigError
from nicegan.methods.registry import METHODS
from nicegan.nearest import did_you_mean
from nicegan.run_config import METHOD_GROUPS, RunConfig

RECIPES: dict[str, RunConfig] = {
    name: RunConfig(recipe=name, method=preset.method, **preset.run)  # pyright: ignore[reportArgumentType]
    for method in METHODS.values()
    for name, preset in method.recipes().items()
}


def recipe(name: str, **changes: Any) -> RunConfig:
    """Return the configuration of a recipe, with changes, checked: `recipe("nicegan-tiny", data="photos", steps=500)`.

    Changes of a method's groups are merged: `network={"blocks": 2}` keeps the recipe's other settings of the networks,
    and so does the dotted name that the command line has, `**{"network.blocks": 2}`.

    Raises:
        ConfigError: no such recipe (names those there are), or changes that do not fit.
    """
    if name not in RECIPES:
        hint = did_you_mean(name, RECIPES) or f"; there is {', '.join(RECIPES)}"
        raise ConfigError(f"there is no recipe {name!r}{hint}")
    content = RECIPES[name].model_dump()
    for setting, value in changes.items():
        content |= _merged(content, setting, value)
    try:
        return RunConfig.model_validate(content)
    except ValidationError as problem:
        raise ConfigError(first_mistake(problem)) from None


def _merged(content: dict[str, Any], setting: str, value: Any) -> dict[str, Any]:
    """Return what a change makes of a configuration: settings of a group that it does not name stay."""
    group, dot, inner = setting.partition(".")
    if dot and group in METHOD_GROUPS:
        return _merged(content, group, {inner.replace("-", "_"): value})
    if setting not in METHOD_GROUPS:
        return {setting: value}
    method = content["method"].model_dump() if isinstance(content["method"], Frozen) else content["method"]
    if not isinstance(value, Mapping) or not isinstance(method, dict):
        return {setting: value}  # a whole group, or a mistake that pydantic names
    return {"method": {**method, setting: {**method.get(setting, {}), **value}}}
