"""Raters in a real browser: they finish, reload, click twice, go back, lose the connection, and are two at once."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.study_raters import changed, make_study
from tests.study_server import Served, process_of, served

from nicegan.study.definition import Plan
from nicegan.study.store import Vote, VoteStore

pytestmark = pytest.mark.long

PLAN = Plan(votes_per_image=40, trials=4, repeats=1, obvious=1, practice=1, seed=5)
NUM_TRIALS = 7
Opened = Callable[..., Any]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(make_study(tmp_path_factory.mktemp("browser"), PLAN)) as one:
        yield one


def begin(page: Any, study: Served) -> None:
    page.goto(f"http://127.0.0.1:{study.port}/")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/r/*")
    ready(page, 1)


def ready(page: Any, number: int) -> None:
    """Wait until a question's images are there."""
    page.get_by_text(f"Question {number} of {NUM_TRIALS}").wait_for()
    page.get_by_text("Choose your answer.").wait_for()


def choose(page: Any, name: str) -> None:
    page.get_by_role("radio", name=name).check()
    page.get_by_role("button", name="Next").click()


def votes(page: Any, study: Served) -> list[Vote]:
    rater = study.session.rater(page.url.rpartition("/")[2])
    assert rater
    return study.session.store.votes(rater.number)


def answers(page: Any, study: Served) -> list[tuple[int, str]]:
    return [(vote.trial, vote.answer) for vote in votes(page, study)]


def test_a_rater_finishes_by_mouse_and_keyboard(open_page: Opened, study: Served) -> None:
    page = open_page()
    begin(page, study)
    for number in range(1, NUM_TRIALS + 1):
        ready(page, number)
        assert page.get_by_role("progressbar").get_attribute("value") == str(number - 1)
        assert page.get_by_role("button", name="Next").is_disabled()
        if number % 2:
            page.get_by_role("img", name="Image 3").click()
            page.get_by_text("Your choice: Image 3").wait_for()
            page.get_by_role("button", name="Next").click()
        else:
            page.keyboard.press("2")
            page.keyboard.press("Enter")
    page.get_by_text("You have answered everything. Thank you!").wait_for()
    assert answers(page, study) == [(number, "12"[number % 2 == 0]) for number in range(NUM_TRIALS)]
    assert all(0 < (vote.milliseconds or 0) < 60_000 for vote in votes(page, study))
    assert page.context.cookies() == []


def test_the_next_images_are_there_before_the_vote(open_page: Opened, study: Served) -> None:
    page = open_page()
    begin(page, study)
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("window.before = true")
    choose(page, "Image 1")
    ready(page, 2)
    page.wait_for_load_state("networkidle")
    sizes = page.evaluate(
        "performance.getEntriesByType('resource').filter(one => /\\/1\\//.test(one.name)).map(one => one.transferSize)"
    )
    assert sizes == [0] * 5, "all from the browser's own cache"


def test_reloading_in_the_middle_loses_nothing(open_page: Opened, study: Served) -> None:
    page = open_page()
    begin(page, study)
    choose(page, "Image 1")
    ready(page, 2)
    page.get_by_role("radio", name="Image 4").check()
    page.reload()
    ready(page, 2)
    assert page.locator("input:checked").count() == 0
    choose(page, "Image 2")
    ready(page, 3)
    other = open_page()
    other.goto(page.url)  # the same link on another machine
    ready(other, 3)
    assert answers(page, study) == [(0, "0"), (1, "1")]


def test_a_double_click_is_one_vote(open_page: Opened, study: Served) -> None:
    page = open_page()
    page.goto(f"http://127.0.0.1:{study.port}/")
    before = len(study.session.store.raters())
    page.get_by_role("button", name="Start").dblclick()
    ready(page, 1)
    assert len(study.session.store.raters()) == before + 1
    page.get_by_role("radio", name="Image 1").check()
    page.get_by_role("button", name="Next").dblclick()
    ready(page, 2)
    page.keyboard.press("3")
    for _ in range(3):
        page.keyboard.press("Enter")
    ready(page, 3)
    assert answers(page, study) == [(0, "0"), (1, "2")]


def test_going_back_changes_no_answer(open_page: Opened, study: Served) -> None:
    page = open_page()
    begin(page, study)
    link = page.url
    choose(page, "Image 1")
    ready(page, 2)
    choose(page, "Image 2")
    ready(page, 3)
    page.go_back()
    page.goto(link)
    ready(page, 3)
    stale = open_page()
    stale.goto(link)
    ready(stale, 3)
    choose(page, "Image 3")
    ready(page, 4)
    choose(stale, "Image 4")  # a page that shows a question which was answered meanwhile
    ready(stale, 4)
    assert answers(page, study) == [(0, "0"), (1, "1"), (2, "2")]


def test_going_back_does_not_begin_anew(open_page: Opened, study: Served) -> None:
    page = open_page()
    page.goto("about:blank")
    begin(page, study)
    choose(page, "Image 1")
    ready(page, 2)
    page.go_back()
    assert page.url == "about:blank", "neither the first page nor an answered question"
    page.go_forward()
    ready(page, 2)


def test_a_lost_connection_is_said_and_the_vote_sent_when_it_is_back(open_page: Opened, study: Served) -> None:
    page = open_page()
    begin(page, study)
    page.context.set_offline(True)
    choose(page, "Image 2")
    page.get_by_text("There is no connection.").wait_for()
    assert answers(page, study) == []
    assert page.get_by_role("button", name="Next").is_disabled()
    page.context.set_offline(False)
    ready(page, 2)
    assert answers(page, study) == [(0, "1")]


def test_a_killed_server_is_waited_for(open_page: Opened, tmp_path: Path) -> None:
    study = make_study(tmp_path, PLAN)
    page = open_page()
    with process_of(study.folder) as (process, port):
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_role("button", name="Start").click()
        ready(page, 1)
        choose(page, "Image 1")
        ready(page, 2)
        process.kill()
        process.wait()
        choose(page, "Image 3")
        page.get_by_text("There is no connection.").wait_for()
    with process_of(study.folder, port):
        ready(page, 3)
    store = VoteStore(study, read_only=True)
    assert [(vote.trial, vote.answer) for vote in store.votes()] == [(0, "0"), (1, "2")]
    store.close()


def test_a_vote_whose_acknowledgement_is_lost_counts_once(open_page: Opened, study: Served) -> None:
    page, lost = open_page(), list[str]()
    begin(page, study)

    def lose(route: Any) -> None:
        if route.request.method == "POST" and len(lost) < 2:
            lost.append(route.request.post_data)
            route.fetch()  # it arrives, and the answer does not
            route.abort()
        else:
            route.continue_()

    page.route(re.compile(r"/r/\w+$"), lose)
    choose(page, "Image 4")
    ready(page, 2)
    assert len(lost) == 2
    assert lost[0] == lost[1]
    assert answers(page, study) == [(0, "3")]


def test_an_image_that_is_lost_is_asked_for_again(open_page: Opened, study: Served) -> None:
    page, lost = open_page(), list[str]()

    def lose(route: Any) -> None:
        if len(lost) < 1:
            lost.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    page.route(re.compile(r"/0/2"), lose)
    page.goto(f"http://127.0.0.1:{study.port}/")
    page.get_by_role("button", name="Start").click()
    page.get_by_text("An image could not be loaded.").wait_for()
    page.keyboard.press("1")
    assert page.get_by_role("button", name="Next").is_disabled(), "nobody votes on what was not shown"
    page.get_by_text("Your choice: Image 1").wait_for()
    assert page.get_by_role("button", name="Next").is_enabled()


def test_two_raters_at_once(open_page: Opened, study: Served) -> None:
    one, other = open_page(), open_page(390, 844, has_touch=True, is_mobile=True)
    begin(one, study)
    begin(other, study)
    for number in range(1, NUM_TRIALS + 1):
        for page, name in ((one, "Image 1"), (other, "Image 4")):
            ready(page, number)
            if page is other:
                page.get_by_role("img", name=name).tap()
                page.get_by_role("button", name="Next").tap()
            else:
                choose(page, name)
    for page, answer in ((one, "0"), (other, "3")):
        page.get_by_text("Thank you!").wait_for()
        assert answers(page, study) == [(number, answer) for number in range(NUM_TRIALS)]
    assert one.url != other.url


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_and_are_named_for_screen_readers(open_page: Opened, study: Served, width: int, scheme: str) -> None:
    page = open_page(width, 844, color_scheme=scheme)
    begin(page, study)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    group = page.get_by_role("group", name="Which image is the best translation of the original?")
    assert group.get_by_role("radio").count() == 4
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    assert page.locator("html").get_attribute("lang") == "en"
    page.keyboard.press("3")
    box = page.locator("label.choice:has(input:checked)")
    assert box.evaluate("one => getComputedStyle(one.querySelector('.line'), '::after').content").strip('"') == "✓"
    target = page.get_by_role("button", name="Next").bounding_box()
    assert target["height"] >= 44, "large enough for a thumb"
    assert target["y"] + target["height"] <= 844, "in sight without scrolling"


def test_without_javascript_it_is_a_plain_form(open_page: Opened, study: Served) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(f"http://127.0.0.1:{study.port}/")
    page.get_by_role("button", name="Start").click()
    for number in range(1, NUM_TRIALS + 1):
        page.get_by_text(f"Question {number} of").wait_for()
        choose(page, "Image 2")
    page.get_by_text("Thank you!").wait_for()
    assert answers(page, study) == [(number, "1") for number in range(NUM_TRIALS)]
    assert {vote.milliseconds for vote in votes(page, study)} == {None}, "nobody knows"


def test_a_timed_image_is_shown_and_hidden(open_page: Opened, tmp_path: Path) -> None:
    plan = changed(PLAN, kind="real-or-fake", show="none", seconds=0.7, votes_per_image=1)
    with served(make_study(tmp_path, plan)) as one:
        page = open_page()
        begin(page, one)
        image = page.get_by_role("img", name="The image")
        assert image.is_visible()
        page.get_by_text("The image is hidden now. What was it?").wait_for()
        assert page.locator(".single img").is_hidden()
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        ready(page, 2)
        assert answers(page, one) == [(0, "real")]


def test_pairs_can_be_left_open(open_page: Opened, tmp_path: Path) -> None:
    with served(make_study(tmp_path, changed(PLAN, kind="pairs", votes_per_image=1))) as one:
        page = open_page()
        begin(page, one)
        choose(page, "Cannot tell")
        ready(page, 2)
        assert answers(page, one) == [(0, "cannot-tell")]
