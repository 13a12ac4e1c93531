"""Any command line gets an answer: done, or one line and exit code 2; never a traceback."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nicegan.cli import main
from nicegan.cli.train import TrainArguments
from nicegan.config import LossConfig, NetworkConfig, OptimizerConfig

FLAGS = [
    *(f"--{name.replace('_', '-')}" for name in TrainArguments.model_fields),
    *(
        f"--{part}.{name.replace('_', '-')}"
        for part, kind in (("network", NetworkConfig), ("loss", LossConfig), ("optimizer", OptimizerConfig))
        for name in kind.model_fields
    ),
    *(
        "--to",
        "--json",
        "--parts",
        "--rounds",
        "--reference",
        "--real",
        "--fake",
        "--source",
        "--against",
        "--features",
        "--help",
        "--version",
        "--",
        "-x",
        "--nothing",
    ),
]
VALUES = [
    *("0", "-1", "1", "3", "64", "1e9", "1e400", "nan", "inf", "0.5", "99999999999999999999", "0x10", "True", "None"),
    *(
        "nicegan",
        "nicegan-tiny",
        "auto",
        "cuda",
        "tf32",
        "residual",
        "cam",
        "local",
        "A",
        "",
        " ",
        ".",
        "/",
        "/dev/null",
    ),
    *("nowhere/at/all", "ünï", "a\nb", "[1,2]", "{}", "--out=x", "$(ls)", "%s", "\x00"),
]
WORDS = st.one_of(st.sampled_from(FLAGS), st.sampled_from(VALUES), st.text(max_size=8))
COMMANDS = st.sampled_from(["train", "translate", "evaluate", "import", "bench memory", "tarin", ""])
NUM_EXAMPLES = 10 * int(os.environ.get("NICEGAN_KILLS", "6"))


@settings(
    max_examples=NUM_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(command=COMMANDS, words=st.lists(WORDS, max_size=6))
def test_every_command_line_is_answered(
    command: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(SystemExit) as left:
        main([*command.split(), *words])
    said = capsys.readouterr()
    assert left.value.code in (0, 2), said.err
    if left.value.code == 2:
        assert said.err.startswith("nicegan: "), said.err
    assert not list((tmp_path / "empty").iterdir()), "nothing is written"
