"""The server of a study: what raters get, what is refused, and that no request tells a method or reaches a file."""

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.study_raters import METHODS, changed, make_study
from tests.study_server import JSON, Client, Served, ballot, join, read_page, served

from nicegan.study.definition import Plan
from nicegan.study.raters import IDLE_SECONDS
from nicegan.study.server import HEADERS, MAX_BODY, study_token

PLAN = Plan(votes_per_image=2, trials=4, repeats=1, obvious=2, practice=1, seed=7)
NUM_TRIALS = 8


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(make_study(tmp_path_factory.mktemp("shared"), changed(PLAN, votes_per_image=60))) as one:
        yield one


@pytest.fixture
def client(shared: Served) -> Iterator[Client]:
    yield shared.client()


def finish(client: Client, link: str, answer: str | None = None) -> None:
    while (page := read_page(client.get(link))).trial is not None:
        assert client.post(link, ballot(page, answer or page.answers[-1]), JSON).status == 200


def test_a_rater_answers_everything_and_is_thanked(shared: Served, client: Client) -> None:
    link = join(client)
    seen = []
    while (page := read_page(client.get(link))).trial is not None:
        seen.append(page.trial)
        assert page.answers == ["0", "1", "2", "3"]
        assert len(page.images) == 5, "the source and four outputs"
        for address in page.images + page.ahead:
            image = client.get(address)
            assert (image.status, image.headers["content-type"]) == (200, "image/png")
            assert "immutable" in image.headers["cache-control"]
        assert client.post(link, ballot(page, "2"), JSON).status == 200
    assert seen == list(range(NUM_TRIALS))
    assert "Thank you!" in page.text
    rater = shared.session.rater(link.removeprefix("/r/"))
    assert rater
    assert [(vote.trial, vote.answer) for vote in shared.session.store.votes(rater.number)] == [
        (number, "2") for number in range(NUM_TRIALS)
    ]


def test_nothing_that_a_browser_gets_names_a_method(shared: Served, client: Client) -> None:
    link, got = join(client), []
    for path in ("/", "/static/study.css", "/static/study.js", "/static/start.js", "/nothing"):
        got.append(client.get(path))
    while (page := read_page(answer := client.get(link))).trial is not None:
        got += [answer, *map(client.get, page.images + page.ahead)]
        got += [client.post(link, ballot(page, "7"), JSON), client.post(link, ballot(page, "0"))]
    definition = shared.session.study.definition
    secret = [*METHODS, *definition.files(), *(subject.name for subject in definition.subjects), "whole", "damaged"]
    for answer in got:
        everything = answer.body + repr(answer.headers).encode()
        roles = ["obvious", "repeat"] if "html" in answer.headers.get("content-type", "") else []
        assert not [word for word in secret + roles if word.encode() in everything]


def test_every_answer_keeps_the_page_to_itself(client: Client) -> None:
    for path, status in (("/", 200), ("/nothing", 404), (join(client), 200), ("/static/study.js", 200)):
        answer = client.get(path)
        assert answer.status == status
        assert {name: answer.headers[name.lower()] for name in HEADERS} == HEADERS
        assert "set-cookie" not in answer.headers
        assert "server" not in answer.headers or "uvicorn" in answer.headers["server"]
        if "html" in answer.headers["content-type"]:
            assert answer.headers["cache-control"] == "no-store"
            assert not re.search(r"<script(?! src=\"/static/(study|start).js\")|style=|\son\w+=|https?://", answer.text)


def test_a_retry_is_taken_again_and_another_answer_is_not(shared: Served, client: Client) -> None:
    link = join(client)
    page = read_page(client.get(link))
    vote = ballot(page, "1")
    assert [client.post(link, vote, JSON).status for _ in range(3)] == [200, 200, 200]
    assert client.post(link, vote | {"answer": "2"}, JSON).status == 409
    assert client.post(link, ballot(page, "1"), JSON).status == 409, "another id"
    assert client.post(link, vote | {"trial": 1}, JSON).status == 409, "the id of another trial"
    answer = client.post(link, vote | {"answer": "2"})
    assert answer.status == 409
    assert "answered already" in answer.text
    assert link in answer.text
    assert client.post(link, vote).headers["location"] == link, "without JavaScript"
    assert read_page(client.get(link)).trial == 1


@pytest.mark.parametrize(
    "forged",
    [
        {"answer": "4"}, {"answer": "alpha"}, {"answer": ""}, {"answer": "-1"}, {"answer": "cannot-tell"},
        {"answer": "٢"}, {"trial": 99}, {"trial": -1}, {"trial": "x"}, {"trial": "0 "}, {"trial": "9" * 30},
        {"id": "short"}, {"id": "x" * 5000}, {"id": "'; DROP TABLE votes; --"}, {"milliseconds": "-5"},
        {"milliseconds": "1e9"},
    ],
)  # fmt: skip
def test_forged_votes_are_refused(shared: Served, client: Client, forged: dict[str, object]) -> None:
    link = join(client)
    page = read_page(client.get(link))
    assert client.post(link, ballot(page, "1") | forged, JSON).status in (400, 413)
    assert shared.client().post(link, ballot(page, "1") | {"trial": 3}, JSON).status == 409, "not its turn"
    again = shared.client()
    assert read_page(again.get(link)).trial == 0
    assert again.post(link, ballot(page, "1"), JSON).status == 200


def test_votes_after_the_end_are_refused(client: Client) -> None:
    link = join(client)
    page = read_page(client.get(link))
    finish(client, link)
    assert client.post(link, ballot(page, "1") | {"trial": NUM_TRIALS}, JSON).status == 400
    assert client.post(link, ballot(page, "1") | {"trial": NUM_TRIALS - 1}, JSON).status == 409


def test_bodies_that_are_no_form_or_huge_are_refused(shared: Served, client: Client) -> None:
    link = join(client)
    assert client.ask("POST", link, b"\xff\xfe\x00").status == 400
    assert client.ask("POST", link, b"a=1&" * 20).status == 400
    assert client.ask("POST", link, b'{"answer": "1"}', {"Content-Type": "application/json"}).status == 400
    assert client.ask("POST", link, b"%ff=%fe").status == 400
    for body in (b"x" * (MAX_BODY + 1), b"x" * 3_000_000):
        assert shared.client().ask("POST", link, body).status == 413
    connection = socket.create_connection(("127.0.0.1", shared.port), timeout=10)
    connection.sendall(f"POST {link} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n".encode())
    assert connection.recv(100).startswith(b"HTTP/1.1 413"), "before anything has arrived"
    connection.close()
    connection = socket.create_connection(("127.0.0.1", shared.port), timeout=10)
    connection.sendall(f"POST {link} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    connection.sendall(b"2000\r\n" + b"y" * 0x2000 + b"\r\n")
    assert connection.recv(100).startswith(b"HTTP/1.1 413")
    connection.close()


def test_answers_of_one_trial_at_once_are_one_vote(shared: Served, client: Client) -> None:
    link = join(client)
    page = read_page(client.get(link))
    with ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(shared.client().post, link, ballot(page, str(n % 4)), JSON) for n in range(12)]
    assert sorted(one.result().status for one in sent) == [200] + 11 * [409]
    assert read_page(client.get(link)).trial == 1


@pytest.mark.parametrize(
    "path",
    [
        "/../study.json", "/static/../study.json", "/static/%2e%2e/study.json", "/static/study.json", "/study.json",
        "/votes.sqlite", "/images/", "/r/", "/r/..", "/r/%00", "/r/" + "0" * 32, "/r/" + "z" * 32, "//etc/passwd",
        "/r/{key}/0/../../study.json", "/r/{key}/0/%2e%2e%2f%2e%2e", "/r/{key}/0/4", "/r/{key}/0/-1", "/r/{key}/0/٢",
        "/r/{key}/0/reference", "/r/{key}/7/0", "/r/{key}/99999999999/0", "/r/{key}/-1/0", "/r/{key}/0/",
        "/r/{key}/", "/invited/", "/openapi.json", "/r/{key}/0/" + "1" * 3000,
    ],
)  # fmt: skip
def test_paths_lead_nowhere_else(client: Client, path: str) -> None:
    key = join(client).removeprefix("/r/")
    answer = client.get(path.replace("{key}", key).encode("latin1", "ignore").decode())
    assert answer.status in (404, 405)
    assert b"PNG" not in answer.body
    assert b"sqlite" not in answer.body.lower()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_refused(client: Client, method: str) -> None:
    link = join(client)
    for path in (link, "/", "/static/study.js", f"{link}/0/0"):
        assert client.ask(method, path).status == 405


def test_a_page_is_quick(client: Client) -> None:
    link, times = join(client), []
    for _ in range(10):
        began = time.perf_counter()
        client.get(link)
        times.append(time.perf_counter() - began)
    assert sorted(times)[5] < 0.1


def test_two_presses_of_the_button_are_one_rater(shared: Served, client: Client) -> None:
    before = len(shared.session.store.raters())
    key = "ab" * 16
    assert {client.post("/", {"key": key}).headers["location"] for _ in range(3)} == {f"/r/{key}"}
    assert len(shared.session.store.raters()) == before + 1
    assert client.post("/", {"key": "../x"}).status == 400


def test_only_who_has_the_link_takes_part(tmp_path: Path) -> None:
    with served(make_study(tmp_path, PLAN), token="secret") as one:
        client = one.client()
        for path in ("/", "/invited/other", "/invited/", "/invited/ä"):
            answer = client.get(path.encode().decode("latin1")) if path.isascii() else client.get("/invited/%C3%A4")
            assert answer.status in (403, 404)
            assert "secret" not in answer.text
        assert client.post("/", {"key": "ab" * 16}).status == 403
        assert one.session.store.raters() == []
        link = join(client, "/invited/secret")
        assert client.get(link).status == 200, "a rater's own link is enough"
        assert study_token(one.session) == study_token(one.session)


def test_places_are_given_again_when_their_raters_stay_away_or_do_not_count(tmp_path: Path) -> None:
    with served(make_study(tmp_path, PLAN)) as one:  # 3 assignments
        client, store = one.client(), one.session.store
        links = [join(client) for _ in range(3)]
        full = client.post("/", {"key": "ab" * 16})
        assert (full.status, "come back" in full.text) == (503, True)
        store.connection.execute(f"UPDATE raters SET joined_at = joined_at - {IDLE_SECONDS + 5} WHERE number = 2")
        links.append(join(client))
        assert [rater.assignment for rater in store.raters()] == [0, 1, 2, 1]
        finish(client, links[0])  # the last position always, so the rule leaves this rater out
        assert join(client)
        assert store.raters()[4].assignment == 0


def test_a_study_that_has_its_votes_takes_no_more(tmp_path: Path) -> None:
    plan = changed(PLAN, rule=PLAN.rule.model_copy(update={"obvious_right": 0, "position_p": 0}))
    with served(make_study(tmp_path, plan)) as one:
        client = one.client()
        for _ in range(3):
            finish(client, join(client))
        answer = client.post("/", {"key": "ab" * 16})
        assert (answer.status, "has all the answers" in answer.text) == (200, True)


def test_a_disk_that_takes_nothing_is_said_and_the_vote_can_be_sent_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(make_study(tmp_path, PLAN)) as one:
        client, store = one.client(), one.session.store
        link = join(client)
        vote = ballot(read_page(client.get(link)), "1")
        store.connection.execute("PRAGMA query_only = ON")
        answer = [client.post(link, vote, JSON) for _ in range(3)][-1]
        assert answer.status == 503
        assert "could not be kept" in answer.text
        assert capsys.readouterr().err.count("make it writable\n") == 1, "whoever serves it reads why, once"
        store.connection.execute("PRAGMA query_only = OFF")
        assert client.post(link, vote, JSON).status == 200
        assert store.num_votes(1) == 1


def test_chinese_pages_and_the_exact_question(tmp_path: Path) -> None:
    plan = changed(PLAN, language="zh", question="<b>哪一张</b> & {name}?")
    with served(make_study(tmp_path, plan)) as one:
        client = one.client()
        assert "开始" in client.get("/").text
        text = client.get(join(client)).text
        assert '<html lang="zh">' in text
        assert "&lt;b&gt;哪一张&lt;/b&gt; &amp; {name}?" in text


@pytest.mark.parametrize(
    ("kind", "answers"), [("pairs", ["0", "1", "cannot-tell"]), ("real-or-fake", ["real", "fake"])]
)
def test_other_kinds(tmp_path: Path, kind: str, answers: list[str]) -> None:
    seconds = 0.5 if kind == "real-or-fake" else None
    show = "none" if kind == "real-or-fake" else "reference"
    plan = changed(PLAN, kind=kind, show=show, seconds=seconds, votes_per_image=1)  # pyright: ignore
    with served(make_study(tmp_path, plan)) as one:
        client = one.client()
        link = join(client)
        page = read_page(client.get(link))
        assert page.answers == answers
        assert len(page.images) == (1 if seconds else 3)
        finish(client, link)
