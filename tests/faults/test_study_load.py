"""Many raters at once, and a server that is killed in between: no vote is lost, doubled, or stands for another image.

NICEGAN_THOROUGH=1: 200 raters of 20 votes each, five kills. Raters fetch every image, know the label of each by its
bytes, and send a vote until it is acknowledged, as the page does.
"""

import hashlib
import os
import random
import re
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from threading import Event, Lock

from tests.study_raters import make_study
from tests.study_server import JSON, Answer, Client, ballot, process_of, read_page

from nicegan.study.definition import OpenStudy, Plan
from nicegan.study.store import VoteStore
from nicegan.study.tally import read_records
from nicegan.study.trials import all_questions

THOROUGH = os.environ.get("NICEGAN_THOROUGH") == "1"
NUM_RATERS, NUM_TRIALS, NUM_KILLS = (200, 20, 5) if THOROUGH else (12, 6, 1)
NUM_IMAGES = 40 if THOROUGH else 12
PATIENCE = 600  # seconds, for everything


class PatientRater:
    """Answers all trials, however often the server goes away."""

    def __init__(self, number: int, port: int, tally: "Tally") -> None:
        self.port, self.tally, self.random = port, tally, random.Random(number)
        self.key = f"{number:032x}"
        self.client = Client(port, timeout=60)
        self.acknowledged: list[tuple[int, str, str, str]] = []  # trial, answer, id, file of the chosen image

    def ask(self, method: str, path: str, fields: dict[str, object] | None = None) -> Answer:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self.client.get(path) if fields is None else self.client.post(path, fields, JSON)
                assert answer.status < 500, answer.text
                return answer
            except (OSError, HTTPException):
                assert time.monotonic() < deadline and not self.tally.is_over.is_set()
                self.client.close()
                time.sleep(self.random.uniform(0.05, 0.3))
                self.client = Client(self.port, timeout=60)

    def run(self) -> None:
        assert self.ask("POST", "/", {"key": self.key}).status == 303
        link = f"/r/{self.key}"
        while (page := read_page(self.ask("GET", link))).trial is not None:
            assert page.trial == len(self.acknowledged), "the next trial, after every acknowledged vote"
            shown = [address for address in page.images if re.search(r"/\d+/\d+$", address)]
            files = [hashlib.sha256(self.ask("GET", address).body).hexdigest() for address in shown]
            answer = self.random.choice(page.answers)
            vote = ballot(page, answer, f"{self.key}-{page.trial:03d}"[-40:])
            assert self.ask("POST", link, vote).status == 200
            self.acknowledged.append((page.trial, answer, str(vote["id"]), files[int(answer)]))
            self.tally.add()
            if self.random.random() < 0.1:  # a retry that the rater need not have sent
                assert self.ask("POST", link, vote).status == 200
        self.client.close()


class Tally:
    """Counts acknowledged votes, and wakes who waits for a number of them; `is_over` ends all raters."""

    def __init__(self, moments: list[int]) -> None:
        self.count, self.lock, self.is_over = 0, Lock(), Event()
        self.reached = {moment: Event() for moment in moments}

    def add(self) -> None:
        with self.lock:
            self.count += 1
            if self.count in self.reached:
                self.reached[self.count].set()


def test_killed_servers_lose_no_acknowledged_vote(tmp_path: Path) -> None:
    votes = NUM_RATERS * NUM_TRIALS // NUM_IMAGES
    plan = Plan(votes_per_image=votes, trials=NUM_TRIALS, repeats=0, obvious=0, practice=0, seed=11)
    study = make_study(tmp_path, plan, NUM_IMAGES)
    total = NUM_RATERS * NUM_TRIALS
    tally = Tally([total * (kill + 1) // (NUM_KILLS + 1) for kill in range(NUM_KILLS)])
    with ThreadPoolExecutor(NUM_RATERS) as pool, ExitStack() as ends:
        ends.callback(tally.is_over.set)
        port, raters, work = 0, list[PatientRater](), []
        for moment in [*tally.reached, None]:
            with process_of(study.folder, port) as (process, port):
                if not raters:
                    raters = [PatientRater(number, port, tally) for number in range(NUM_RATERS)]
                    work = [pool.submit(rater.run) for rater in raters]
                if moment is None:
                    for one in work:
                        one.result(PATIENCE)
                else:
                    wait_for(tally.reached[moment], work)
                    process.send_signal(signal.SIGKILL)
                    process.wait()
    check_every_vote(study, raters, votes)


def wait_for(event: Event, work: list) -> None:
    deadline = time.monotonic() + PATIENCE
    while not event.wait(0.05):
        assert time.monotonic() < deadline
        for one in work:
            if one.done():
                one.result()


def check_every_vote(study: OpenStudy, raters: list[PatientRater], votes_per_image: int) -> None:
    store = VoteStore(study)
    records = {record.rater.key: record for record in read_records(study, store)}
    assert len(records) == len(raters) == NUM_RATERS
    assert sorted(record.rater.assignment for record in records.values()) == list(range(NUM_RATERS))
    answered = Counter()
    for rater in raters:
        record = records[rater.key]
        assert [vote.trial for vote in record.votes] == list(range(NUM_TRIALS))
        kept = [(vote.trial, vote.answer, vote.id) for vote in record.votes]
        assert kept == [row[:3] for row in rater.acknowledged], "each acknowledged vote once, and nothing else"
        for (trial, answer, _, file), vote in zip(rater.acknowledged, record.votes, strict=True):
            picture = record.trials[trial].pictures[int(answer)]
            assert picture.file == file, "the image that the rater saw at this position"
            assert vote.chosen == picture.label
            assert study.definition.subjects[vote.subject].outputs[vote.chosen] == file
            answered[record.trials[trial].question] += 1
    assert {answered[question] for question in all_questions(study.definition)} == {votes_per_image}
    store.close()
