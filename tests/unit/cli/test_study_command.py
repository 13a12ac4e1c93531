"""nicegan study: arguments, one-line answers to mistakes, and a study that is made, served and reported by commands."""

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.study_raters import make_study, paint
from tests.study_server import JSON, Client, ballot, join, process_of, read_page

from nicegan import cli, extras
from nicegan.cli import study as command
from nicegan.cli.parse import parse
from nicegan.errors import ConfigError, NiceganError, StudyError


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {name: paint(tmp_path / name, 4, shade) for shade, name in enumerate(("source", "one", "two", "real"))}


def make(folders: dict[str, Path], out: Path, *more: str) -> None:
    methods = ["--method", f"one={folders['one']}", "--method", f"two={folders['two']}"]
    assert command.run(["create", "--source", str(folders["source"]), *methods, "--out", str(out), *more]) == 0


def test_methods_are_named_once_or_each_by_itself() -> None:
    expected = ["--out", "x", "--method", "a=1", "b=2", "c=3"]
    assert command.joined(["--method", "a=1", "b=2", "--out", "x", "--method=c=3"]) == expected
    given = parse(command.CreateArguments, expected, "study create")
    assert given.method == ("a=1", "b=2", "c=3")


def test_a_study_is_made_and_says_what_it_takes(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(folders, tmp_path / "study", "--votes-per-image", "5", "--trials", "2", "--repeats", "1", "--seed", "5")
    said = capsys.readouterr().err
    assert "4 questions about 4 images and 2 methods (one, two)" in said
    assert "each answered 5 times: 10 raters with 8 trials each" in said
    assert "next: nicegan study serve" in said


def test_equal_outputs_are_told(folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(folders | {"two": folders["one"]}, tmp_path / "study")
    assert "4 of 4 outputs of one and two are equal" in capsys.readouterr().err


def test_outputs_that_are_their_sources_are_told(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(folders | {"two": folders["source"]}, tmp_path / "study")
    assert "4 of 4 outputs of two are the source images themselves" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match="file/study cannot be written: Not a directory; make room, or name another"):
        make(folders, tmp_path / "file" / "study")


def test_real_images_are_counted(folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(folders, tmp_path / "study", "--kind", "real-or-fake", "--reference", str(folders["real"]), "--seconds", "1")
    assert "4 of the images are real (33 %)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["judge"], "nicegan study has the parts create, serve, report, plan; not 'judge'"),
        (["create", "--out", "x"], "name a finished comparison, or --source and --method"),
        (["create", "runs", "--out", "x", "--source", "y"], "not both"),
        (["create", "runs", "--out", "x", "--reference", "y"], "--reference goes with --source"),
        (["create", "runs", "--out", "x"], "runs is not a folder of nicegan compare"),
        (["create", "runs", "--to", "C"], "--to"),
        (["create", "--out", "x", "--source", "nowhere", "--method", "a=b", "c=d"], "nowhere is not a folder"),
        (["create", "--out", "x", "--kind", "worst"], "kind"),
        (["create", "--out", "x", "--vote", "3"], "there is no option --vote"),
        (
            ["create", "--out", "x", "--rule.obvious-right", "2"],
            "--rule.obvious-right: should be less than",
        ),
        (["serve", "nowhere"], "nowhere is not a study: it has no study.json"),
        (["serve", "nowhere", "--port", "99999"], "less than or equal to 65535"),
        (["report", "nowhere"], "nowhere is not a study"),
        (["plan", "--shares", "0.4", "0.4"], "give two different fractions"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(NiceganError) as problem:
        command.run(arguments)
    assert message in str(problem.value)
    assert "\n" not in str(problem.value)


def test_help_names_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {part} " in said for part in command.PARTS)
    with pytest.raises(ConfigError, match="say which part: nicegan study create or serve or report or plan"):
        command.run([])


def test_a_missing_package_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "starlette" else name)
    with pytest.raises(NiceganError, match=r"study needs starlette: pip install 'nicegan\[study\]'"):
        cli.run(["study", "plan"])


def test_a_plan_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = ["--raters", "20", "--images", "20", "--simulations", "50"]
    assert command.run(["plan", "--shares", "0.6", "0.33", *numbers]) == 0
    assert "20 images: 20 raters are enough for 80 %" in capsys.readouterr().out


def test_a_study_is_served_killed_resumed_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = make_study(tmp_path)
    with process_of(study.folder) as (process, port):
        client = Client(port)
        link = join(client)
        assert client.post(link, ballot(read_page(client.get(link)), "1"), JSON).status == 200
        process.send_signal(signal.SIGKILL)
        process.wait()
        client.close()
    with process_of(study.folder, port) as (process, again):
        assert again == port
        client = Client(port)
        assert read_page(client.get(link)).trial == 1, "the same link, the next question"
        assert client.post(link, ballot(read_page(client.get(link)), "1"), JSON).status == 200
        client.close()
        assert command.run(["report", str(study.folder)]) == 0, "while it is served"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) in (130, -signal.SIGINT)
    assert "1 rater answered, 0 of them everything." in capsys.readouterr().out
    assert json.loads((study.folder / "report/report.json").read_text())["raters"][0]["answers"] == 2
    assert not study.votes.with_name("votes.sqlite-wal").exists(), "tidied up"


def test_what_cannot_be_served_says_why(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    serve = ["serve", str(study.folder), "--port", "0"]
    with process_of(study.folder) as (_, port):
        arguments = [sys.executable, "-m", "nicegan", "study", *serve[:-1], str(port)]
        found = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
        assert found.returncode == 2
        assert found.stderr.startswith(f"nicegan: 127.0.0.1, port {port}: Address already in use; choose another")
        assert found.stderr.count("\n") == 1
        with pytest.raises(StudyError, match="is served by another process: end that one first"):
            command.run(serve)
    image = study.image(min(study.definition.files()))
    content = image.read_bytes()
    image.write_bytes(b"changed")
    with pytest.raises(StudyError, match="1 images of .* are missing or changed"):
        command.run(serve)
    image.write_bytes(content)
    with sqlite3.connect(study.votes) as connection:
        connection.execute("UPDATE facts SET value = 'x' WHERE name = 'definition'")
    connection.close()
    with pytest.raises(StudyError, match="has been changed since the study was made"):
        command.run(serve)
