"""Packages that only some commands need: an installation for translating does without."""

from __future__ import annotations

from importlib.util import find_spec

from nicegan.errors import ConfigError

TRAINING = ("matplotlib", "tensorboard")
ANALYSING = ("matplotlib", "sklearn")
PACKAGES = {"sklearn": "scikit-learn"}  # modules whose package has another name


def require(what: str, modules: tuple[str, ...]) -> None:
    """Raise ConfigError, with the way out, if a module is not installed; `what` is what needs it."""
    missing = [PACKAGES.get(module, module) for module in modules if find_spec(module) is None]
    if missing:
        raise ConfigError(f"{what} needs {' and '.join(missing)}: pip install 'nicegan[train]'")
