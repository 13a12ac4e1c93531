"""What the command line answers to slips, and how its help reads."""

import os
import sys
from contextlib import suppress
from importlib import util
from pathlib import Path

import pytest

from nicegan import cli, extras
from nicegan.cli import train
from nicegan.errors import ConfigError
from nicegan.recipes import recipe


def test_a_mistyped_command_option_and_recipe_are_answered_with_the_right_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["trian"]) == 2
    assert "did you mean train?" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="there is no option --stepz: did you mean --steps?"):
        train.read_arguments(["photos", "--stepz", "3"])
    with pytest.raises(ConfigError, match="--network.block: did you mean --network.blocks?"):
        train.read_arguments(["photos", "--network.block", "3"])
    with pytest.raises(ConfigError, match="did you mean nicegan-tiny?"):
        recipe("nicegan-tny")


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_speaks_of_no_none(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with suppress(SystemExit):
        assert cli.run([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "usage: nicegan" in text
    assert "None}" not in text
    assert "default: None" not in text
    assert max(map(len, text.splitlines())) <= int(os.environ.get("COLUMNS", "80"))


def test_a_home_folder_after_an_equals_sign_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    seen: list[list[str]] = []
    monkeypatch.setattr(train, "run", lambda arguments: seen.append(arguments) or 0)
    cli.run(["train", "--out=~/runs/mine", "--data=a~b", "x=~"])
    assert seen == [[f"--out={tmp_path}/runs/mine", "--data=a~b", "x=~"]]


def test_what_only_training_needs_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "sklearn" else util.find_spec(name))
    with pytest.raises(ConfigError, match=r"analyze needs scikit-learn: pip install 'nicegan\[train\]'"):
        cli.run(["analyze", "latents", "runs/mine"])


def test_translating_imports_nothing_of_the_extra() -> None:
    """In a process of its own: this one has imported all of it."""
    import subprocess

    code = (
        "import sys, importlib.abc\n"
        "class Missing(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('matplotlib', 'tensorboard', 'sklearn'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "import nicegan.cli.translate, nicegan.cli.import_, nicegan.cli.evaluate\n"
        "import nicegan.inference.files, nicegan.inference.memory, nicegan.export.published\n"
        "import nicegan.evaluation.evaluate, nicegan.evaluation.score_table\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
