"""Packages that only some commands need: an installation for translating does without."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

from nicegan.errors import ConfigError


class Extra(NamedTuple):
    """Modules that something needs, and the extra of nicegan that installs them."""

    name: str
    modules: tuple[str, ...]


TRAINING = Extra("train", ("matplotlib", "tensorboard"))
ANALYSING = Extra("train", ("matplotlib", "sklearn"))
STUDYING = Extra("study", ("starlette", "uvicorn", "jinja2", "choix", "evalica", "pandas", "matplotlib"))
TRYING = Extra("app", ("gradio", "matplotlib"))
PACKAGES = {"sklearn": "scikit-learn"}  # modules whose package has another name


def require(what: str, extra: Extra) -> None:
    """Raise ConfigError, with the way out, if a module is not installed; `what` is what needs it."""
    missing = [PACKAGES.get(module, module) for module in extra.modules if find_spec(module) is None]
    if missing:
        raise ConfigError(f"{what} needs {' and '.join(missing)}: pip install 'nicegan[{extra.name}]'")
