"""Golden folders: numbers of published implementations, in `../shared/golden` or where NICEGAN_GOLDEN says."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from nicegan.shapes import Batch

ROOT = Path(__file__).parents[2]
OUTPUT_TOLERANCE = 1e-5  # of float32 outputs, absolute
DOUBLE_TOLERANCE = 1e-5  # of a float64 term or gradient, relative to its norm
FLOOR = 1e-7  # gradients that a normalisation cancels are zero up to rounding


def golden_folders(method: str) -> list[Path]:
    """Return the folders that hold numbers of this method."""
    shared = Path(os.environ.get("NICEGAN_SHARED", ROOT.parent / "shared"))
    roots = [shared / "golden", *([Path(os.environ["NICEGAN_GOLDEN"])] if "NICEGAN_GOLDEN" in os.environ else [])]
    configs = [path for root in roots for path in sorted([*root.glob("config.json"), *root.glob("*/config.json")])]
    return [path.parent for path in configs if json.loads(path.read_text()).get("method") == method]


class Golden:
    """One folder: its settings and its expected numbers, in float32 and, where they are, from float64."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config: dict[str, Any] = json.loads((folder / "config.json").read_text())
        self.expected = load_file(folder / "expected.safetensors")
        double = folder / "expected_float64.safetensors"
        self.double = load_file(double) if double.is_file() else {}

    def images(self, dtype: torch.dtype) -> Batch:
        """Return the images that the numbers are of."""
        return Batch(self.expected["real_A"].to(dtype), self.expected["real_B"].to(dtype))

    def group(self, prefix: str, *, double: bool = False) -> dict[str, Tensor]:
        """Return the numbers whose names begin with `prefix`, without it."""
        source = self.double if double else self.expected
        return {name.removeprefix(prefix): value for name, value in source.items() if name.startswith(prefix)}


def output_misses(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> dict[str, float]:
    """Return the errors beyond `tolerance` of the largest expected value, or of 1, by name."""
    assert set(found) == set(expected), sorted(set(found) ^ set(expected))
    errors = {
        name: ((found[name] - value.view_as(found[name])).abs().max() / value.abs().max().clamp_min(1)).item()
        for name, value in expected.items()
    }
    return {name: error for name, error in errors.items() if not error < tolerance}  # a NaN is not below either


def misses(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> dict[str, float]:
    """Return the errors beyond `tolerance` of the expected norm, by name; both must hold the same names."""
    assert set(found) == set(expected), sorted(set(found) ^ set(expected))
    errors = {
        name: (found[name].double() - value.double().reshape(found[name].shape)).norm().item()
        for name, value in expected.items()
    }
    return {
        name: error
        for name, error in errors.items()
        if not error <= tolerance * expected[name].double().norm().item() + FLOOR
    }


def gradients_of(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return the gradients that a backward pass has left, by parameter."""
    return {name: parameter.grad for name, parameter in module.named_parameters() if parameter.grad is not None}
