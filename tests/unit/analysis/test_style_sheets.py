"""Sheets of styles: their ends are the styles they begin and end with, and what has none is refused."""

from pathlib import Path

import pytest
import torch
from tests.unit.analysis.conftest import write_run
from tests.unit.cli.test_commands import run as run_command

from nicegan.analysis.images import chosen_images
from nicegan.analysis.styles import between, plot_styles
from nicegan.data.augment import to_pixels
from nicegan.data.places import Dataset
from nicegan.device import Machine
from nicegan.errors import ConfigError
from nicegan.methods.base import StyledModel
from nicegan.methods.munit.config import MUNIT
from nicegan.run_config import RunConfig


@pytest.fixture
def styled(tmp_path: Path, tiny_run: RunConfig) -> Path:
    write_run(tmp_path / "styled", tiny_run.model_copy(update={"method": MUNIT.tiny()}))
    return tmp_path / "styled"


@torch.no_grad()
def test_columns_go_from_the_first_style_to_the_second(images: Dataset, machine: Machine) -> None:
    networks = MUNIT.tiny().build_translation_model((64, 64))
    assert isinstance(networks, StyledModel)
    image = chosen_images(images, (64, 64), 5)["A"].images
    one, other = torch.randn(2, len(image), 8).unbind()
    columns = between(networks, image, "B", (one, other), 3, machine)
    assert list(columns) == ["0.00", "0.50", "1.00"]
    for name, style in (("0.00", one), ("0.50", (one + other) / 2), ("1.00", other)):
        expected = to_pixels(networks.translate(image, "B", style))
        assert (columns[name].int() - expected.int()).abs().max() <= 1


def test_a_sheet_for_each_domain_which_the_seed_decides(styled: Path, images: Dataset, machine: Machine) -> None:
    sheets = plot_styles(styled, images, machine, count=2, steps=3)
    assert sorted(sheets) == ["A", "B"]
    assert sheets["A"].tobytes() == plot_styles(styled, images, machine, count=2, steps=3)["A"].tobytes()
    assert sheets["A"].tobytes() != plot_styles(styled, images, machine, count=2, steps=3, seed=1)["A"].tobytes()


def test_the_command_writes_both_sheets(styled: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = styled.parent / "out"
    arguments = ["analyze", "styles", str(styled), "--data", str(dataset), "--count", "1", "--device", "cpu"]
    code, _, said = run_command([*arguments, "--out", str(out)], capsys)
    assert code == 0, said
    assert sorted(path.name for path in out.iterdir()) == ["styles_to_A.png", "styles_to_B.png"]


def test_a_model_without_styles_is_one_line_and_nothing_is_written(
    run: Path, images: Dataset, machine: Machine, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match="has no styles to show: NICE-GAN makes one translation of an image"):
        plot_styles(run, images, machine)
    out = run.parent / "out"
    code, _, said = run_command(["analyze", "styles", str(run), "--data", str(dataset), "--out", str(out)], capsys)
    assert (code, said.strip().count("\n"), out.exists()) == (2, 0, False), said
