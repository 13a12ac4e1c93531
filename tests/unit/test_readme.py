"""What the README and the guides show must be accepted by the command line, and what they name must exist."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import TINY, write_images

from nicegan.cli import ablate, analyze, bench, study, train
from nicegan.cli.app import AppArguments
from nicegan.cli.cache import CacheArguments
from nicegan.cli.compare import CompareArguments
from nicegan.cli.data import DataArguments
from nicegan.cli.demo import DemoArguments
from nicegan.cli.evaluate import EvaluateArguments
from nicegan.cli.import_ import ImportArguments
from nicegan.cli.parse import parse
from nicegan.cli.parts import read_part
from nicegan.cli.report import ReportArguments
from nicegan.cli.translate import TranslateArguments
from nicegan.methods.munit.config import MUNIT
from nicegan.methods.nicegan.config import NiceGAN, NiceGANNetwork
from nicegan.model_file import ModelSpec, save_model
from nicegan.recipes import RECIPES
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
READERS = {
    "ablate": ablate.read_arguments,
    "analyze": lambda arguments: read_part("analyze", analyze.PARTS, arguments),
    "bench": bench.read_arguments,
    "study": lambda arguments: read_part("study", study.PARTS, study.joined(arguments)),
    "train": train.read_arguments,
}
KINDS = {
    "app": AppArguments,
    "cache": CacheArguments,
    "compare": CompareArguments,
    "data": DataArguments,
    "demo": DemoArguments,
    "evaluate": EvaluateArguments,
    "import": ImportArguments,
    "report": ReportArguments,
    "translate": TranslateArguments,
}


def shown_commands() -> Iterator[str]:
    for page in PAGES:
        text = re.sub(r"\\\n\s*", "", page.read_text())  # continued lines
        text = re.sub(r"torchrun [^\n]*?-m nicegan", "nicegan", text)
        indented = re.findall(r"^(?:    |srun )(nicegan .*?)(?:\s+#.*)?$", text, re.MULTILINE)
        inline = re.findall(r"`(nicegan \w+ [^`]*)`", text)
        yield from (command for command in indented + inline if "--help" not in command and "RUN" not in command)


@pytest.mark.parametrize("command", sorted(set(shown_commands())))
def test_every_shown_command_is_accepted(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    RunFolder(Path("runs/mine")).claim(RunConfig(), {})
    _, name, *arguments = shlex.split(command)
    if name in READERS:
        READERS[name](arguments)
    else:
        parse(KINDS[name], arguments, name)


def test_there_are_commands_to_check() -> None:
    assert len(set(shown_commands())) >= 8


def test_every_recipe_and_its_size_is_in_the_readme() -> None:
    readme = PAGES[0].read_text()
    rows = dict(re.findall(r"^\| `([a-z-]+)` \|.*?\| ([0-9.]+ M \+ [0-9.]+ M) \|$", readme, re.MULTILINE))
    assert set(rows) == set(RECIPES)
    for name, config in RECIPES.items():
        with torch.device("meta"):
            method = config.method.build(config.size)
        judging = [phase for phase in method.phases if phase.chance_losses()]
        discriminators = sum(p.numel() for phase in judging for p in phase.parameters())
        rest = sum(p.numel() for p in method.parameters()) - discriminators
        assert rows[name] == f"{rest / 1e6:.1f} M + {discriminators / 1e6:.1f} M"


def test_every_ablation_flag_is_in_the_guide() -> None:
    guide = (ROOT / "docs/training.md").read_text()
    switches = {"encoder", "attention", "classifiers", "encoder_trained_by", "shared_layers", "summary"}
    assert switches <= set(NiceGANNetwork.model_fields)
    for switch in switches:
        assert f"`--network.{switch.replace('_', '-')}`" in guide


def shown_programs() -> list[tuple[str, str]]:
    return [
        (page.name, program)
        for page in PAGES
        for program in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    ]


@pytest.mark.parametrize(("page", "program"), shown_programs(), ids=lambda text: text[:20])
def test_what_every_shown_program_imports_is_there(page: str, program: str) -> None:
    tree = ast.parse(program, page)
    tree.body = [line for line in tree.body if isinstance(line, (ast.Import, ast.ImportFrom))]
    assert tree.body
    exec(compile(tree, page, "exec"), {})


def test_there_are_programs_to_check() -> None:
    assert len(shown_programs()) >= 3


def test_the_program_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    method = NiceGAN(network=TINY)
    Path("runs/mine").mkdir(parents=True)
    spec = ModelSpec(method=method, image_size=(64, 64))
    save_model(Path("runs/mine/model.safetensors"), spec, method.build_translation_model((64, 64)))
    write_images(tmp_path, 1, (70, 61))[0].rename("holiday.jpg")
    [program] = [program for page, program in shown_programs() if page == "README.md"]
    made: dict[str, Any] = {}
    exec(program, made)
    assert made["image"].size == made["where"].size == (70, 61)


def test_the_program_of_styles_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    method = MUNIT.tiny()
    Path("runs/munit").mkdir(parents=True)
    spec = ModelSpec(method=method, image_size=(64, 64))
    save_model(Path("runs/munit/model.safetensors"), spec, method.build_translation_model((64, 64)))
    for name, path in zip(("cat.jpg", "example_of_B.jpg"), write_images(tmp_path, 2, (70, 61)), strict=True):
        path.rename(name)
    [program] = [program for page, program in shown_programs() if page == "translating.md"]
    made: dict[str, Any] = {}
    exec(program, made)
    images = [*made["five"], made["like"], made["mean"], made["between"]]
    assert {image.size for image in images} == {(70, 61)}
    assert len({image.tobytes() for image in images}) == len(images)


def test_every_script_that_a_page_runs_is_there() -> None:
    pages = [*PAGES, *(ROOT / "benchmarks/results").glob("*.md")]
    scripts = {name for page in pages for name in re.findall(r"python (benchmarks/\w+\.py)", page.read_text())}
    assert len(scripts) >= 4
    assert all((ROOT / name).is_file() for name in scripts)


def test_links_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
