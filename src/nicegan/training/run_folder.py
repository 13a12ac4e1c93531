"""The run folder: where a run keeps what, and whether a folder may be used for a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nicegan.config import CHANGEABLE, RunConfig, differences
from nicegan.errors import ConfigError


class RunFolder:
    """Paths inside a run folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "config.json"
        self.samples = root / "samples"
        self.checkpoints = root / "checkpoints"
        self.latest = root / "latest"
        self.best = root / "best"
        self.model = root / "model.safetensors"

    def read_config(self) -> RunConfig:
        """The configuration of the run in this folder.

        Raises:
            ConfigError: there is no run here, or its config.json cannot be read.
        """
        if not self.config.is_file():
            raise ConfigError(f"{self.root} is not a run folder: it has no config.json")
        try:
            return RunConfig.model_validate(json.loads(self.config.read_text())["config"])
        except (ValueError, KeyError, TypeError, ValidationError) as problem:
            raise ConfigError(f"{self.config} cannot be read: {str(problem).splitlines()[0]}") from None

    def claim(self, config: RunConfig, description: dict[str, Any]) -> None:
        """Make this the folder of a run with this configuration, new or continued.

        Raises:
            ConfigError: the folder holds another run, or other files, or cannot be written.
        """
        if self.config.is_file():
            changed = differences(self.read_config(), config)
            fixed = {name: values for name, values in changed.items() if name not in CHANGEABLE}
            if fixed:
                rows = "\n".join(f"  {name}: {old} there, {new} asked for" for name, (old, new) in fixed.items())
                raise ConfigError(f"{self.root} holds a run with another configuration; choose another --out\n{rows}")
        elif self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir())):
            raise ConfigError(f"{self.root} exists and is not a run folder; choose another --out")
        try:
            for folder in (self.root, self.samples, self.checkpoints):
                folder.mkdir(parents=True, exist_ok=True)
            beside = self.config.with_suffix(".json.new")
            beside.write_text(json.dumps(description, indent=1) + "\n")
            beside.replace(self.config)
        except OSError as problem:
            raise ConfigError(f"cannot write the run folder {self.root}: {problem.strerror}") from None
