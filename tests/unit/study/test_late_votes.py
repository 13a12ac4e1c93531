"""Votes of a study that hides its images: which are late by the server's clock, and what the report does with them."""

import csv
import json
import time
from pathlib import Path

import pytest
from tests.study_raters import Crowd, changed, make_study
from tests.study_server import JSON, ballot, join, read_page, served

from nicegan.study.definition import OpenStudy, Plan, Rule
from nicegan.study.files import study_results, write_report
from nicegan.study.store import VoteStore

PLAN = Plan(
    kind="real-or-fake", seconds=1, votes_per_image=1, trials=8, repeats=0, obvious=0, practice=1, seed=3,
    rule=Rule(median_seconds=0, late_seconds=10, late_share=0.25),
)  # fmt: skip
GAPS = {  # of each rater: seconds from one vote to the next, of nine votes
    1: [11] * 8,  # not later than one second and ten
    2: [2, 3, 12, 2, 2, 12, 2, 2],  # a quarter of the eight that count, not more
    3: [12, 12, 12, 1, 1, 1, 1, 1],
    4: [-7200, 1, 1, 1, 1, 1, 1, 1],  # the server's clock was set back
}


def answer(study: OpenStudy) -> None:
    """Fill the database with votes at the times of `GAPS`."""
    store = VoteStore(study)
    for record in Crowd((1.0, 0, 0, 0)).records(study.definition, 0)[: len(GAPS)]:
        number = store.add_rater(record.rater.key, record.rater.assignment).number
        moment = 1_000_000
        for vote, gap in zip(record.votes, [0, *GAPS[number]], strict=True):
            moment += gap
            store.add_vote(vote._replace(voted_at=moment))
    store.close()


def test_late_votes_are_told_and_the_rule_leaves_out_who_has_too_many(tmp_path: Path) -> None:
    study = make_study(tmp_path, PLAN)
    answer(study)
    found = write_report(study.folder, tmp_path / "report")
    rows = list(csv.DictReader((tmp_path / "report/votes.csv").read_text().splitlines()))
    late = [(int(row["rater"]), int(row["trial"])) for row in rows if row["late"] == "1"]
    assert late == [(2, 4), (2, 7), (3, 2), (3, 3), (3, 4)]
    assert {row["rater"] for row in rows if row["left_out"] == "1"} == {"3"}
    content = json.loads((tmp_path / "report/report.json").read_text())
    assert content["late_votes"] == 2
    assert [rater["late_answers"] for rater in content["raters"]] == [0, 2, 3, 0]
    assert content["raters"][2]["left_out"] == ["3 of 8 answers late"]
    assert "2 of the 24 votes that count came late: more than 11 seconds after the answer before it" in found.text
    assert "more than 25 % of the answers late (more than 11 seconds" in content["sentence"]


def test_without_the_rule_nobody_is_left_out_for_it(tmp_path: Path) -> None:
    study = make_study(tmp_path, changed(PLAN, rule=Rule(median_seconds=0)))
    answer(study)
    text = write_report(study.folder, tmp_path / "report").text
    assert "Raters left out: 0" in text
    assert "5 of the 32 votes that count came late" in text
    assert "answers late" not in text


@pytest.mark.parametrize("seconds", [None, 1])
def test_only_studies_that_hide_their_images_have_late_votes(tmp_path: Path, seconds: float | None) -> None:
    study = make_study(tmp_path, changed(PLAN, seconds=seconds))
    answer(study)
    found = write_report(study.folder, tmp_path / "report")
    assert ("came late" in found.text) == (seconds is not None)
    assert bool(found.results.num_late) == (seconds is not None)


def test_the_server_s_clock_tells_and_not_the_page(tmp_path: Path) -> None:
    study = make_study(tmp_path, changed(PLAN, seconds=0.5, rule=Rule(late_seconds=0)))
    with served(study) as one:
        client = one.client()
        link = join(client)
        for pause in (0, 2.2, 0):
            page = read_page(client.get(link))
            time.sleep(pause)
            vote = ballot(page, "real") | {"milliseconds": 300}  # what a page that cheats could say
            assert client.post(link, vote, JSON).status == 200
            assert client.post(link, vote, JSON).status == 200, "sent again: the first time stands"
    [record] = study_results(study.folder).records
    assert 1 in record.late
