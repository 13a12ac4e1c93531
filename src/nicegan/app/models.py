"""The models of a page, with the names and the facts that it shows of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nicegan.app.watch import layers_of
from nicegan.errors import CheckpointError
from nicegan.inference.translator import Translator, load
from nicegan.methods.base import HasHeatmap, HasStyles
from nicegan.model_file import MODEL_FILE


class ShownModel(NamedTuple):
    """A model ready to translate, and its name on the page.

    Args:
        num_layers: layers that one translation calls.
    """

    name: str
    translator: Translator
    num_layers: int

    @property
    def facts(self) -> str:
        """What one line says of the model."""
        spec = self.translator.spec
        height, width = spec.image_size
        steps = f", {spec.step:,} steps" if spec.step else ""
        return f"{spec.method.title}, trained at {width}×{height} pixels{steps}"

    @property
    def has_styles(self) -> bool:
        """Return whether the model makes several translations of one picture."""
        return isinstance(self.translator.networks, HasStyles)

    @property
    def has_heatmap(self) -> bool:
        """Return whether the model can show where its encoder looks."""
        return isinstance(self.translator.networks, HasHeatmap)

    @property
    def work(self) -> int:
        """Layers that all views of a picture call, about: there, back, and half of one for the heatmap."""
        return self.num_layers * (5 if self.has_heatmap else 4) // 2


def load_models(paths: Sequence[Path], device: str, precision: str, tile: int | None = None) -> list[ShownModel]:
    """Return the models, each under a name of its own.

    Raises:
        CheckpointError: no model, or one that cannot be read; names it.
        ConfigError: no such device or precision.
    """
    found = []
    for name, path in zip(names_of(paths), paths, strict=True):
        try:
            translator = load(path, device, precision, tile)
        except CheckpointError as problem:
            raise CheckpointError(str(problem) if str(path) in str(problem) else f"{path}: {problem}") from None
        found.append(ShownModel(name, translator, layers_of(translator)))
    return found


def names_of(paths: Sequence[Path]) -> list[str]:
    """Return the ends of the paths, as long as it takes to tell them from each other; equal ones are numbered."""
    parts = [_named(path).parts for path in paths]
    longest = max(map(len, parts))
    names = ["/".join(own[-1:]) for own in parts]
    for length in range(2, longest + 1):
        if len(set(names)) == len(names):
            return names
        names = ["/".join(own[-length:]) for own in parts]
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(f"{name} ({seen[name]})" if seen[name] > 1 else name)
    return numbered


def _named(path: Path) -> Path:
    """Return a model's path without what all models have: the ending, and the file's name in a run folder."""
    if path.name == MODEL_FILE and path.parent.name:
        return path.parent
    return path.with_suffix("") if path.suffix == Path(MODEL_FILE).suffix else path
