"""nicegan data, and the other commands when a data set is named instead of a folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.archives import COUNTS, NAME, archive_of, known_as
from tests.servers import Server, file_server

from nicegan import cli, recipe
from nicegan.cli import ablate
from nicegan.cli import data as command
from nicegan.cli.compare import CompareArguments
from nicegan.cli.parse import parse
from nicegan.cli.train import read_arguments
from nicegan.data import catalogue
from nicegan.errors import ConfigError, DataError
from nicegan.evaluation.held_out import read_test_images
from nicegan.run_folder import RunFolder

CONTENT = archive_of()


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.chdir(tmp_path)
    with file_server(CONTENT) as running:
        monkeypatch.setitem(catalogue.CATALOGUE, NAME, known_as(CONTENT, running.url))
        yield running


def row_of(name: str, out: str) -> str:
    [row] = [line for line in out.splitlines() if line.startswith(f"{name} ")]
    return row


def error_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    return err


def test_the_list_says_what_is_known_and_what_is_here(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(["list"]) == 0
    before = capsys.readouterr().out
    assert " ".join(row_of("cat2dog", before).split()) == "cat2dog 771 + 1,264 100 + 100 ? not known no"
    assert " ".join(row_of("facades", before).split()) == "facades ? ? 35.1 MB known no"
    server.break_after = 1000
    with pytest.raises(DataError, match="broke off"):
        command.run(["get", NAME])
    capsys.readouterr()
    command.run(["list"])
    assert "begun: 0.0 MB" in row_of(NAME, capsys.readouterr().out)
    server.break_after = None
    assert command.run(["get", NAME]) == 0
    said = capsys.readouterr().err
    assert said.index("licence: painted") < said.index("train on it: nicegan train horse2zebra")
    command.run(["list"])
    assert row_of(NAME, capsys.readouterr().out).endswith("known     0.0 MB")
    next((catalogue.datasets_folder() / NAME / "testB").iterdir()).unlink()
    command.run(["list"])
    assert row_of(NAME, capsys.readouterr().out).endswith("but 1 of its 12 images are missing")


def test_another_folder_is_named_by_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(["get", NAME, "--to", str(tmp_path / "my sets")]) == 0
    assert f"nicegan train '{tmp_path}/my sets/{NAME}'" in capsys.readouterr().err
    command.run(["list", "--to", str(tmp_path / "my sets")])
    assert row_of(NAME, capsys.readouterr().out).endswith("MB")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["get"], "name the data sets to get: cat2dog, "),
        (["get", NAME, "horse2zebr"], "there is no data set 'horse2zebr': did you mean horse2zebra?"),
        (["list", NAME], "takes no names"),
        (["fetch"], "invalid choice"),
    ],
    ids=str,
)
def test_mistakes(arguments: list[str], message: str, server: Server) -> None:
    with pytest.raises(ConfigError) as caught:
        command.run(arguments)
    assert message in str(caught.value)
    assert server.asked == [], "all names are looked up before anything is fetched"


def test_commands_find_a_fetched_set_by_name(tmp_path: Path) -> None:
    command.run(["get", NAME])
    folder = catalogue.datasets_folder() / NAME
    config, out = read_arguments([NAME])
    assert (config.data, out) == (folder, Path("runs/nicegan-horse2zebra"))
    assert ablate.read_arguments([NAME, "--switches", "encoder=reused,independent"]).base.data == folder
    assert parse(CompareArguments, [NAME, "--recipes", "x,y", "--budget", "1"], "compare").data == folder
    assert recipe("nicegan", data=Path(NAME)).data == folder
    sets = read_test_images(Path(NAME), tmp_path / "unpacked")
    assert (len(sets["A"].paths), len(sets["B"].paths)) == COUNTS[2:]


def test_a_folder_here_comes_first(tmp_path: Path) -> None:
    command.run(["get", NAME])
    (tmp_path / NAME).mkdir()
    assert read_arguments([NAME])[0].data == tmp_path / NAME


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", NAME, "--recipe", "nicegan-tiny"],
        ["compare", NAME, "--recipes", "nicegan-tiny,cyclegan-tiny", "--budget", "1"],
        ["ablate", NAME, "--switches", "encoder=reused,independent", "--recipe", "nicegan-tiny"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_set_that_is_not_fetched(arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    err = error_of(arguments, capsys)
    assert "horse2zebra is not a folder, and the data set horse2zebra is not here" in err
    assert "nicegan data get horse2zebra fetches it" in err
    arguments[1] = "hors2zebra"
    assert "there is no data set 'hors2zebra': did you mean horse2zebra?" in error_of(arguments, capsys)
    arguments[1] = str(tmp_path / "deep" / NAME)
    err = error_of(arguments, capsys)
    assert "is not a folder" in err
    assert "data set" not in err.replace("dataset", "")


def test_a_run_whose_set_is_gone(capsys: pytest.CaptureFixture[str]) -> None:
    command.run(["get", NAME])
    RunFolder(Path("run")).claim(read_arguments([NAME])[0], {})
    (catalogue.datasets_folder() / NAME).rename("aside")
    capsys.readouterr()
    assert "nicegan data get horse2zebra fetches it" in error_of(["train", "--resume", "run"], capsys)
