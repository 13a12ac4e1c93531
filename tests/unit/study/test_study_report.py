"""The report of a study: its files, its figures, and what it says of unfinished, left-out and damaged ones."""

import csv
import json
import sqlite3
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.study_raters import METHODS, Crowd, changed, define_study, make_study

from nicegan.errors import StudyError
from nicegan.study.definition import OpenStudy, Plan
from nicegan.study.document import as_json, markdown, parts_of, votes_csv
from nicegan.study.files import write_report
from nicegan.study.raters import reasons_to_leave_out
from nicegan.study.results import compute_results
from nicegan.study.store import Vote, VoteStore
from nicegan.study.trials import num_assignments, trials_of

PLAN = Plan(votes_per_image=4, trials=6, repeats=1, obvious=2, practice=1, seed=3)


def answer(study: OpenStudy, crowd: Crowd, num_raters: int | None = None) -> None:
    """Fill the database with the votes of simulated raters."""
    store = VoteStore(study)
    for record in crowd.records(study.definition, 0)[:num_raters]:
        rater = store.add_rater(record.rater.key, record.rater.assignment)
        assert rater.number == record.rater.number
        store.connection.execute("BEGIN")
        store.connection.executemany("INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", record.votes)
        store.connection.execute("COMMIT")
    store.close()


@pytest.fixture
def study(tmp_path: Path) -> OpenStudy:
    return make_study(tmp_path, PLAN)


@pytest.mark.parametrize(
    ("kind", "show", "verb"),
    [
        ("best", "source", "was chosen in"),
        ("pairs", "none", "was preferred in"),
        ("real-or-fake", "none", "called real"),
    ],
)
def test_every_file_of_every_kind(tmp_path: Path, kind: str, show: str, verb: str) -> None:
    study = make_study(tmp_path, changed(PLAN, kind=kind, show=show))  # pyright: ignore
    answer(study, Crowd((2.0, 0.5, 0.0, -1.0), num_left=1))
    found = write_report(study.folder, tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == [
        "figure.png", "report.html", "report.json", "report.md", "votes.csv",
    ]  # fmt: skip
    content = json.loads((tmp_path / "report/report.json").read_text())
    shares = content["counted"]["shares"]
    assert list(shares) == [*METHODS, *(["real"] if kind == "real-or-fake" else [])]
    assert all(0 <= one["low"] <= one["value"] <= one["high"] <= 1 for one in shares.values())
    if kind == "best":
        assert sum(one["value"] for one in shares.values()) == pytest.approx(1)
    assert verb in content["sentence"]
    rows = list(csv.DictReader((tmp_path / "report/votes.csv").read_text().splitlines()))
    assert len(rows) == num_assignments(study.definition) * len(trials_of(study.definition, 0, 1))
    assert {row["role"] for row in rows} == {"practice", "counted", "repeat", "obvious"}
    assert found.text == (tmp_path / "report/report.md").read_text()
    page = (tmp_path / "report/report.html").read_text()
    assert "For the paper" in page
    assert "<script" not in page
    with Image.open(tmp_path / "report/figure.png") as image:
        assert np.asarray(image).std() > 10


def test_votes_that_count_are_counted_by_hand(study: OpenStudy, tmp_path: Path) -> None:
    answer(study, Crowd((1.0, 0, 0, 0), num_left=1))
    write_report(study.folder, tmp_path / "report")
    rows = list(csv.DictReader((tmp_path / "report/votes.csv").read_text().splitlines()))
    content = json.loads((tmp_path / "report/report.json").read_text())
    images = {row["image"] for row in rows}
    for name, left_out in (("counted", {"0"}), ("everybody", {"0", "1"})):
        counted = [row for row in rows if row["role"] == "counted" and row["left_out"] in left_out]
        assert content[name]["num_votes"] == len(counted)
        if name == "counted":
            by_image = {image: Counter(row["chosen"] for row in counted if row["image"] == image) for image in images}
            assert content["votes_by_image"] == by_image
        for method, share in content[name]["shares"].items():
            assert share["won"] == sum(row["chosen"] == method for row in counted)
            assert share["shown"] == len(counted)
    for row in rows:
        if row["role"] == "counted":
            assert row["shown"].split(" | ")[int(row["answer"]) - 1] == row["chosen"]


def test_a_study_that_runs_says_so(study: OpenStudy, tmp_path: Path) -> None:
    empty = write_report(study.folder, tmp_path / "report")
    assert "No votes that count yet." in empty.text
    assert not (tmp_path / "report/figure.png").exists()
    answer(study, Crowd((1.0, 0, 0, 0)), num_raters=2)
    text = write_report(study.folder, tmp_path / "report").text
    assert "not complete: the figures are those of the votes so far" in text
    assert "2 raters answered, 2 of them everything." in text


def test_one_rater_is_no_spread(study: OpenStudy, tmp_path: Path) -> None:
    answer(study, Crowd((1.0, 0, 0, 0)), num_raters=1)
    found = write_report(study.folder, tmp_path / "report")
    assert all(not row.share.is_known for row in found.results.counted.rows)


def test_raters_who_all_agree_leave_other_raters_room(study: OpenStudy, tmp_path: Path) -> None:
    answer(study, Crowd((50.0, 0, 0, 0)))
    counted = write_report(study.folder, tmp_path / "report").results.counted
    best = next(row.difference for row in counted.differences if row.one == METHODS[0])
    assert best.value == 1
    assert best.low is not None
    assert 0 < best.low < 0.9


def test_a_report_in_the_middle_leaves_out_what_nobody_has_seen(tmp_path: Path) -> None:
    definition = define_study(24, kind="pairs", methods=("a", "b", "c"))
    [record, *_] = Crowd((2.0, 0, 0)).records(definition, 1)
    first = next(number for number, trial in enumerate(record.trials) if trial.role == "counted")
    results = compute_results(OpenStudy(Path("x"), definition, ""), [record._replace(votes=record.votes[: first + 1])])
    assert len(results.counted.rows) == 2
    assert "nan" not in markdown("x", parts_of(results)).lower()
    json.dumps(as_json(results), allow_nan=False)


def test_raters_left_out_are_told_with_what_they_change() -> None:
    definition = define_study(24, votes_per_image=8)
    records = Crowd((2.0, 0, 0, 0), num_careless=1, num_left=1).records(definition, 1)
    results = compute_results(OpenStudy(Path("x"), definition, ""), records)
    assert [record.rater.number for record in results.left_out] == [1, 2]
    assert results.everybody.num_votes == results.counted.num_votes + 48
    text = markdown("x", parts_of(results))
    assert "## Raters left out: 2" in text
    assert "position 1 chosen" in text
    assert "## With the raters left out" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("UPDATE votes SET answer = '9' WHERE trial = 3", "is no answer to trial 4"),
        ("UPDATE votes SET chosen = 'nobody' WHERE trial = 3", "is no answer to trial 4"),
        ("UPDATE votes SET shown = 'a' WHERE trial = 3", "is no answer to trial 4"),
        ("DELETE FROM votes WHERE trial = 3", "is no answer to trial 5"),
        ("UPDATE raters SET assignment = 2 WHERE number = 1", "is no answer to trial"),
        ("UPDATE votes SET rater = 77 WHERE rater = 1", "votes of nobody"),
    ],
)
def test_votes_that_somebody_changed_are_refused(study: OpenStudy, tmp_path: Path, change: str, message: str) -> None:
    answer(study, Crowd((1.0, 0, 0, 0)), num_raters=2)
    with sqlite3.connect(study.votes) as connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(StudyError, match=message):
        write_report(study.folder, tmp_path / "report")


def test_a_report_that_cannot_be_written(study: OpenStudy, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="name another folder with --out"):
        write_report(study.folder, tmp_path / "file")


def test_a_vote_stands_for_the_label_at_its_position(study: OpenStudy) -> None:
    trial = trials_of(study.definition, 0, 1)[1]
    assert [trial.chosen(answer) for answer in trial.answers] == [picture.label for picture in trial.pictures]
    assert Vote("x", 1, 1, 0, "0", trial.chosen("0"), "", 0, 0).chosen == trial.pictures[0].label


def test_raters_whose_browser_tells_no_times_are_not_left_out_for_it(study: OpenStudy) -> None:
    records = Crowd((1.0, 0, 0, 0)).records(study.definition, 0)
    timeless = [
        record._replace(votes=[vote._replace(milliseconds=None) for vote in record.votes]) for record in records
    ]
    for record in timeless:
        assert reasons_to_leave_out(study.definition, record.trials, record.votes) == []
    results = compute_results(study, timeless)
    assert results.times is None
    assert as_json(results)["raters"][0]["median_seconds"] is None
    assert "No browser told how long answers took." in markdown("x", parts_of(results))
    assert {row["seconds"] for row in csv.DictReader(votes_csv(results).splitlines())} == {""}
    quick = [vote._replace(milliseconds=90) for vote in records[0].votes]
    assert reasons_to_leave_out(study.definition, records[0].trials, quick) == [
        "half of the answers within 0.09 seconds"
    ]
