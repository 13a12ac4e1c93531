"""The grid of an ablation: every combination of some switches that makes a configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from nicegan.config import Frozen, MethodConfig, first_mistake
from nicegan.errors import ConfigError
from nicegan.run_config import NO_EFFECT, RunConfig

Switches = Mapping[str, Sequence[Any]]  # name -> values, as a user writes them

# What must be the same for scores to be comparable, or changes none.
NO_SWITCHES = NO_EFFECT | {"data", "domain_a", "domain_b", "skip_broken", "image_size", "seed", "recipe"}


class Setting(NamedTuple):
    """One point of the grid.

    Args:
        name: "encoder=independent,attention=none"; of its folder too.
        values: one a switch, as text.
        config: the base configuration with these values.
    """

    name: str
    values: tuple[str, ...]
    config: RunConfig


class LeftOut(NamedTuple):
    """A combination that is not trained, and why."""

    name: str
    reason: str


class Grid(NamedTuple):
    """Switches by their short names, with their values as text; and the settings to train, the base's own first."""

    switches: dict[str, tuple[str, ...]]
    settings: tuple[Setting, ...]
    left_out: tuple[LeftOut, ...]


def read_switches(texts: Iterable[str]) -> dict[str, list[str]]:
    """From "encoder=reused,independent" and so on: name -> values.

    Raises:
        ConfigError: a text that is no switch, or a name that comes twice.
    """
    switches: dict[str, list[str]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not (name and equals) or not all(values.split(",")):
            raise ConfigError(f"{text!r} is no switch: write NAME=VALUE,VALUE, as in encoder=reused,independent")
        if name in switches:
            raise ConfigError(f"the switch {name} is given twice: write all its values after one {name}=")
        switches[name] = values.split(",")
    return switches


def make_grid(base: RunConfig, switches: Switches) -> Grid:
    """Return all combinations of the switches' values, on top of a base configuration.

    Args:
        base: what is the same for all of them.
        switches: a setting of the method's networks ("encoder") or a dotted one ("loss.cycle") -> its values,
            as text ("cam+local") or as they are (("cam", "local")).

    Raises:
        ConfigError: no such switch or value, or no combination that makes a configuration.
    """
    if not switches:
        raise ConfigError("an ablation needs a switch, as in encoder=reused,independent")
    paths = [_path_of(name, base.method) for name in switches]
    if twice := [path for path in paths if paths.count(path) > 1]:
        raise ConfigError(f"the switch {_short(twice[0])} is given twice")
    values = [_read_values(path, base.method, raw) for path, raw in zip(paths, switches.values(), strict=True)]
    found: list[Setting] = []
    left_out: list[LeftOut] = []
    for combination in product(*values):
        texts = tuple(map(as_text, combination))
        name = ",".join(f"{_short(path)}={text}" for path, text in zip(paths, texts, strict=True))
        try:
            found.append(Setting(name, texts, _with_values(base, dict(zip(paths, combination, strict=True)))))
        except ValidationError as problem:
            left_out.append(LeftOut(name, first_mistake(problem)))
    if not found:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out)
        raise ConfigError(f"no combination of these switches makes a configuration ({reasons})")
    found.sort(key=lambda setting: setting.config != base)  # a stable sort: the rest keeps its order
    settings, same = _without_twins(found)
    shown = {_short(path): tuple(map(as_text, of)) for path, of in zip(paths, values, strict=True)}
    return Grid(shown, settings, (*left_out, *same))


def as_text(value: Any) -> str:
    """Return a value as it is written in a switch: cam+local, 10, 0.0001, true."""
    if isinstance(value, tuple):
        return "+".join(map(as_text, value))
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _path_of(name: str, method: MethodConfig) -> str:
    """Return the dotted setting that a switch's name means."""
    path = name.replace("-", "_")
    known = _all_settings(method)
    if f"network.{path}" in known:
        path = f"network.{path}"
    if path in NO_SWITCHES:
        raise ConfigError(f"{name} is no switch: it is the same for a whole ablation")
    if path not in known:
        there = ", ".join(_short(path) for path in known if path not in NO_SWITCHES)
        raise ConfigError(f"there is no switch {name!r}; there is {there}")
    return path


def _short(path: str) -> str:
    return path.removeprefix("network.")


def _all_settings(method: MethodConfig) -> dict[str, Any]:
    """Return dotted name -> type with its bounds, of the method and the run, those of the networks first."""
    found = _settings(type(method)) | _settings(RunConfig)
    left_out = {"name", "method"}
    known = {path: kind for path, kind in found.items() if path not in left_out}
    return dict(sorted(known.items(), key=lambda item: not item[0].startswith("network.")))


def _settings(kind: type[Frozen], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Frozen):
            found |= _settings(inner, f"{prefix}{name}.")
        else:
            found[prefix + name] = Annotated[inner, *field.metadata] if field.metadata else inner
    return found


def _read_values(path: str, method: MethodConfig, raw: Sequence[Any]) -> list[Any]:
    """Return the values of a switch, each once."""
    kind = _all_settings(method)[path]
    adapter = TypeAdapter[Any](kind)
    values = []
    for value in raw:
        several = value.split("+") if isinstance(value, str) and get_origin(kind) is tuple else value
        try:
            values.append(_ordered(adapter.validate_python(several), kind))
        except ValidationError as problem:
            wrong = problem.errors()[0]["msg"]
            raise ConfigError(f"{_short(path)}={as_text(value)}: {wrong[0].lower()}{wrong[1:]}") from None
    return list(dict.fromkeys(values))


def _ordered(value: Any, kind: Any) -> Any:
    """Return a choice of several in the order in which they are declared: local+cam is cam+local."""
    if not isinstance(value, tuple):
        return value
    choices = get_args(get_args(kind)[0])
    return tuple(sorted(value, key=choices.index)) if choices else value


def _with_values(base: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """Return the base with some dotted settings changed, checked."""
    content = base.model_dump()
    for path, value in values.items():
        *groups, name = path.split(".")
        inner = content["method"] if groups else content
        for group in groups:
            inner = inner[group]
        inner[name] = value
    return RunConfig.model_validate(content)


def _without_twins(settings: Sequence[Setting]) -> tuple[tuple[Setting, ...], list[LeftOut]]:
    """Leave out settings whose networks are those of an earlier one: the method says which are equal."""
    kept: dict[str, Setting] = {}
    twins: list[LeftOut] = []
    for setting in settings:
        key = setting.config.model_copy(update={"method": setting.config.method.canonical()}).model_dump_json()
        if key in kept:
            twins.append(LeftOut(setting.name, f"what it changes has no effect: the same networks as {kept[key].name}"))
        else:
            kept[key] = setting
    return tuple(kept.values()), twins
