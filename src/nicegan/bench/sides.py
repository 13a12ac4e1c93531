"""The sides of each measurement: our step and translation, a plain reference's, and one bare convolution."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nicegan.bench.count import kept_bytes, largest_convolution
from nicegan.bench.turns import Side
from nicegan.device import keep_freed_memory, peak_bytes, set_up_machine
from nicegan.errors import ConfigError
from nicegan.inference.translator import Translator
from nicegan.model_file import Model, ModelSpec
from nicegan.nn.flops import flops
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch
from nicegan.training.state import new_state
from nicegan.training.step import Stepper


def step(config: RunConfig) -> Side:
    """Return a training step, on images that are at hand; where phases are not due in each step, a cycle of steps."""
    keep_freed_memory()
    machine = set_up_machine(config.device, config.precision, config.num_threads)
    state = new_state(config, machine.device)
    stepper = Stepper(state, config, machine)
    eager = Stepper(state, config.model_copy(update={"cuda_graphs": False}), machine)  # replays tell no counter
    batch = Batch(*(_noise(config, machine.device) for _ in "ab"))
    cycle = state.method.steps_of_a_cycle()
    return Side(
        lambda: [stepper(batch) for _ in range(cycle)],
        lambda: _facts_of_step(lambda: eager(batch), [state.method], cycle),
        machine.device.type == "cuda",
        cycle,
    )


def reference_step(config: RunConfig, device: str, file: Path) -> Side:
    """Return the step of the reference in `file`; `benchmarks/reference_nicegan.py` is such a file.

    One with `steps_of_a_cycle` does not do the same in each call: a whole cycle of calls is measured.
    """
    on_gpu = _prepare(device, config.num_threads)
    reference = load_reference(file).ReferenceStep(_network(config), device)
    a, b = (_noise(config, torch.device(device)) for _ in "ab")
    cycle = getattr(reference, "steps_of_a_cycle", 1)
    return Side(
        lambda: [reference(a, b) for _ in range(cycle)],
        lambda: _facts_of_step(lambda: reference(a, b), reference.modules(), cycle),
        on_gpu,
        cycle,
    )


def _translator(config: RunConfig, precision: str) -> Translator:
    keep_freed_memory()
    torch.manual_seed(config.seed)
    machine = set_up_machine(config.device, precision, config.num_threads)
    spec = ModelSpec(method=config.method, image_size=config.size, step=0, origin="benchmark")
    return Translator(Model(spec, config.method.build_translation_model(config.size)), machine)


def translation(config: RunConfig, precision: str) -> Side:
    """Return a batch of images through a model, files excluded."""
    translator = _translator(config, precision)
    image = _noise(config, translator.device)
    return Side(lambda: translator.translate(image, "B"), peak, translator.device.type == "cuda")


def difference(config: RunConfig, precisions: tuple[str, str]) -> float:
    """Return how far translations in two precisions are apart, as the mean over pixels of values in [0, 255]."""
    image = _noise(config, torch.device("cpu"))
    one, other = (_translator(config, precision).translate(image, "B") for precision in precisions)
    return (one - other).abs().mean().item() * 127.5


def reference_translation(config: RunConfig, device: str, file: Path) -> Side:
    """Return the side of the reference's translation, one image at a time as the published code does it."""
    on_gpu = _prepare(device, config.num_threads)
    reference = load_reference(file).ReferenceTranslation(_network(config), device)
    images = _noise(config, torch.device(device)).split(1)
    return Side(lambda: [reference(image) for image in images], peak, on_gpu)


def convolution(config: RunConfig, precision: str) -> Side:
    """Return the convolution that most of a step's arithmetic goes into. Sets the floor."""
    machine = set_up_machine(config.device, precision, config.num_threads)
    found = largest_convolution(config)
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    shapes = (found.input_shape, found.weight_shape)
    x, weight = (
        torch.randn(shape, device=machine.device, dtype=dtype).contiguous(memory_format=torch.channels_last)
        for shape in shapes
    )

    def work() -> Tensor:
        with torch.no_grad():
            return F.conv2d(x, weight, stride=found.stride)

    return Side(work, lambda: {"flops": flops(work)}, machine.device.type == "cuda")


def peak() -> dict[str, float]:
    """Return the most memory this process has held; on a GPU, the most that PyTorch allocated there."""
    return {"peak_bytes": peak_bytes(torch.device("cuda" if torch.cuda.is_initialized() else "cpu"))}


def _facts_of_step(work: Any, modules: Any, cycle: int = 1) -> dict[str, float]:
    """Return what is counted: bytes of a cycle's last step, in which every phase is due, and operations on average."""
    most = peak()  # before the counting adds to it
    for _ in range(cycle - 1):
        work()
    kept = {f"kept_{name}": size for name, size in kept_bytes(work, modules)._asdict().items()}
    return {**most, **kept, "flops": flops(lambda: [work() for _ in range(cycle)]) // cycle}


def _noise(config: RunConfig, device: torch.device) -> Tensor:
    return torch.rand(config.batch_size, 3, *config.size, device=device) * 2 - 1


def _prepare(device: str, num_threads: int) -> bool:
    """As many threads as ours, and TensorFloat-32 on a GPU; whether it is on one."""
    if num_threads:
        torch.set_num_threads(num_threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    return torch.device(device).type == "cuda"


def _network(config: RunConfig) -> dict[str, Any]:
    """Return the settings of the networks by name, and the size of the images: height and width."""
    return {**config.method.network.model_dump(), "image_size": config.size}


def load_reference(file: Path) -> ModuleType:
    """Run a file that defines a reference, which may import modules beside it, and return it.

    Raises:
        ConfigError: it is no Python file.
    """
    spec = importlib.util.spec_from_file_location("reference", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise ConfigError(f"{file}: not a Python file that defines a reference")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.resolve().parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module
