"""nicegan: unpaired image-to-image translation, with NICE-GAN and the methods beside it.

translator = nicegan.load("runs/cats")
dog = translator.translate(PIL.Image.open("cat.jpg"), to="B")

nicegan.train(nicegan.recipe("nicegan-tiny", data="data/mine"), "runs/mine")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nicegan.errors import CheckpointError, ConfigError, DataError, InputError, NiceganError, TrainingError

if TYPE_CHECKING:
    from nicegan.data.fetch import fetch_dataset
    from nicegan.evaluation.evaluate import evaluate, evaluate_model
    from nicegan.evaluation.outcome import Evaluation
    from nicegan.inference.translator import Translator, load
    from nicegan.recipes import recipe
    from nicegan.run_config import RunConfig
    from nicegan.training.outcome import Outcome
    from nicegan.training.trainer import train

    __version__: str

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "Evaluation",
    "InputError",
    "NiceganError",
    "Outcome",
    "RunConfig",
    "TrainingError",
    "Translator",
    "__version__",
    "evaluate",
    "evaluate_model",
    "fetch_dataset",
    "load",
    "recipe",
    "train",
]

_HOMES = {  # imported when first used, so that `import nicegan` is quick
    "Evaluation": "nicegan.evaluation.outcome",
    "Outcome": "nicegan.training.outcome",
    "RunConfig": "nicegan.run_config",
    "Translator": "nicegan.inference.translator",
    "evaluate": "nicegan.evaluation.evaluate",
    "evaluate_model": "nicegan.evaluation.evaluate",
    "fetch_dataset": "nicegan.data.fetch",
    "load": "nicegan.inference.translator",
    "recipe": "nicegan.recipes",
    "train": "nicegan.training.trainer",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module, metadata

    if name == "__version__":
        return metadata.version("nicegan")
    if name not in _HOMES:
        raise AttributeError(f"module 'nicegan' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
