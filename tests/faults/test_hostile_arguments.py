"""Any command line gets an answer: done, or one line and exit code 2; never a traceback.

NICEGAN_KILLS says how many are tried, NICEGAN_KILL_SEED which.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from tests.faults.test_kills import SEED

from nicegan.cli import main
from nicegan.cli.ablate import AblateArguments
from nicegan.cli.analyze import HeatmapArguments, LatentArguments
from nicegan.cli.evaluate import EvaluateArguments
from nicegan.cli.import_ import ImportArguments
from nicegan.cli.report import ReportArguments
from nicegan.cli.train import TrainArguments
from nicegan.cli.translate import TranslateArguments
from nicegan.methods.cyclegan.config import CycleGANLoss, CycleGANNetwork
from nicegan.methods.nicegan.config import NiceGANLoss, NiceGANNetwork, NiceGANOptimizer

KINDS = (
    *(TrainArguments, TranslateArguments, LatentArguments, HeatmapArguments),
    *(EvaluateArguments, ReportArguments, ImportArguments, AblateArguments),
)
PARTS = {
    "network": (NiceGANNetwork, CycleGANNetwork),
    "loss": (NiceGANLoss, CycleGANLoss),
    "optimizer": (NiceGANOptimizer,),
}
NAMES = {name for kind in KINDS for name in kind.model_fields}
NAMES |= {f"{part}.{name}" for part, kinds in PARTS.items() for kind in kinds for name in kind.model_fields}
FLAGS = [
    *sorted(f"--{name.replace('_', '-')}" for name in NAMES),
    *("--json", "--parts", "--rounds", "--reference", "--help", "--version", "--", "-x", "--nothing"),
]
VALUES = [
    *("0", "-1", "1", "3", "64", "1e9", "1e400", "nan", "inf", "0.5", "99999999999999999999", "0x10", "True", "None"),
    *(
        "nicegan",
        "nicegan-tiny",
        "cyclegan-tiny",
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
    *("encoder=reused,independent", "blocks=1,2", "loss.cycle=0,1", "encoder=", "=", "blocks=99999999999999999999"),
]
WORDS = st.one_of(st.sampled_from(FLAGS), st.sampled_from(VALUES), st.text(max_size=8))
ABLATION = "ablate . --recipe nicegan-tiny --switches encoder=reused,independent"
COMMANDS = st.sampled_from(
    ["train", "translate", "evaluate", "import", "bench memory", "report", "tarin", ""]
    + ["analyze", "analyze latents", "analyze heatmaps", "ablate", ABLATION]
)
NUM_EXAMPLES = 10 * int(os.environ.get("NICEGAN_KILLS", "6"))


@settings(
    max_examples=NUM_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
@seed(SEED)
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
