"""Untrained models of every kind that the app knows."""

from pathlib import Path

import torch

from nicegan.app.models import ShownModel, load_models
from nicegan.methods.cyclegan.config import CycleGAN
from nicegan.methods.munit.config import MUNIT
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.methods.registry import AnyMethod
from nicegan.model_file import ModelSpec, save_model
from tests.conftest import TINY

METHODS: dict[str, AnyMethod] = {"styled": MUNIT.tiny(), "looking": NiceGAN(network=TINY), "plain": CycleGAN.tiny()}


def write_models(folder: Path, *names: str) -> list[Path]:
    """Files of tiny models: "styled" has styles, "looking" heatmaps, "plain" neither."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.safetensors" for name in names]
    for name, path in zip(names, paths, strict=True):
        method = METHODS[name]
        save_model(path, ModelSpec(method=method, image_size=(64, 64)), method.build_translation_model((64, 64)))
    return paths


def make_models(folder: Path, *names: str) -> list[ShownModel]:
    """The models of `write_models`, named like their files without the ending."""
    return load_models(write_models(folder, *names), "cpu", "float32")
