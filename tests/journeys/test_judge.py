"""Judging in a real browser: by keyboard alone, by pointer on a phone, without JavaScript, with the connection lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import Browser, Page, Route, expect

from annotator.models import Assignment, Flag, Judgment, Pair, Span
from tests.factories import PASSWORD, ThreePeople, make_pair, make_people, make_project, make_prompt

pytestmark = pytest.mark.django_db(transaction=True)

ANSWER_A = """It usually comes down to crowding. Spread the pieces out, dry them well, and give the oven a full quarter of an hour
to heat. **Turn them once**, halfway through.

- 220 °C for roots, 200 °C for softer things
- one tablespoon of oil for each tray
- salt at the end, not before

You will hear the difference before you taste it."""
ANSWER_B = """Vegetables go soggy when their water cannot leave. A crowded tray steams; a hot, roomy one roasts. So use two trays,
start them hot, and leave a finger's width between the pieces. If the edges are still pale after twenty minutes, move the
tray up a shelf rather than leaving it in for longer: colour comes from heat, not from time. Courgettes and mushrooms
hold so much water that they will never crisp the way a parsnip does, and that is all right."""


@pytest.fixture
def people(live_server: Any) -> ThreePeople:
    tags = ["Clear", "Complete", "Accurate", "Tone", "Length"]
    project = make_project(
        name="Everyday answers",
        instructions="Say which **you** would rather have got.",
        reason_tags=[{"key": t.lower(), "label": t} for t in tags],
    )
    for n in range(26):
        prompt = make_prompt(project, f"Why do my roast vegetables come out soggy instead of crisp ({n})?")
        make_pair(project, prompt=prompt, a=f"{ANSWER_A}\n\n{n}", b=f"{ANSWER_B}\n\n{n}")
    return make_people(project)


def wait_for(done: Callable[[], bool], seconds: float = 15) -> None:
    """Until something that only the server knows is so."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def swipe(page: Page, across: int) -> None:
    """A finger over the responses."""
    page.evaluate(
        """(across) => {
            const target = document.querySelector(".pair");
            const touch = (x) => new Touch({ identifier: 1, target, clientX: x, clientY: 300 });
            const at = { bubbles: true, cancelable: true };
            target.dispatchEvent(new TouchEvent("touchstart", { ...at, touches: [touch(200)] }));
            target.dispatchEvent(new TouchEvent("touchend", { ...at, changedTouches: [touch(200 + across)] }));
        }""",
        across,
    )


def judge_url(people: ThreePeople) -> str:
    return f"/projects/{people.project.slug}/judge/"


def test_by_keyboard_alone(
    people: ThreePeople, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    check_page("judge")
    page.keyboard.press("Enter")
    expect(page.locator("#missing")).to_contain_text("Choose 1–7 first")
    page.keyboard.press("2")
    page.keyboard.press("q")
    page.keyboard.press("Shift+KeyY")
    page.keyboard.press("/")
    page.keyboard.type("1 is not a choice here, and x neither")
    check_page("judge-filled")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    expect(page.locator("#live")).to_contain_text("Next pair")
    judgment = Judgment.objects.get()
    assert (judgment.choice, judgment.strength) == ("b" if judgment.swapped else "a", 2)
    assert judgment.rationale.text == "1 is not a choice here, and x neither"
    assert {(tag["tag"], tag["good"]) for tag in judgment.rationale.tags} == {("clear", True), ("clear", False)}
    assert judgment.seconds is not None
    assert judgment.seconds > 0

    page.keyboard.press("z")
    expect(page.locator('input[name="position"][value="2"]')).to_be_checked()
    expect(page.locator("#why-text")).to_have_value("1 is not a choice here, and x neither")
    page.keyboard.press("x")
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    assert Judgment.objects.get(current=True).choice == "both_bad"
    page.keyboard.press("g")
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_contain_text("2 of 40 today")
    assert Judgment.objects.filter(choice="both_good", current=True).count() == 1
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    check_page("judge-keys")


def test_skip_and_flag_by_keyboard(
    people: ThreePeople, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    skipped = page.locator("#dock").get_attribute("data-dealt")
    page.keyboard.press("s")
    expect(page.locator("#skip")).to_be_visible()
    check_page("judge-skip")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("#dock")).not_to_have_attribute("data-dealt", skipped or "")
    expect(page.locator("#save")).to_have_text("Saved")
    wait_for(lambda: Assignment.objects.get(key=skipped).state == "skipped")
    assert Judgment.objects.get().skip_reason == "language"

    page.keyboard.press("f")
    expect(page.locator("#flag")).to_be_visible()
    check_page("judge-flag")
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    expect(page.locator("#flag")).to_be_hidden()
    expect(page.locator("#flagged")).to_contain_text("Personal data")
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    flag = Flag.objects.get()
    assert (flag.kind, flag.about, flag.judgment.choice) == ("personal", "both", "tie")


def test_marking_by_keyboard(
    people: ThreePeople, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    page.keyboard.press("m")
    expect(page.locator("#live")).to_contain_text("Selecting in A")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("+")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type("quite so + 1")
    check_page("judge-mark")
    page.keyboard.press("Enter")
    page.keyboard.press("m")
    page.keyboard.press("m")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#live")).to_contain_text("Selected:")
    page.keyboard.press("-")
    page.keyboard.press("Escape")
    expect(page.locator(".marks li")).to_have_count(2)
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    first, second = Span.objects.order_by("-good")
    sentences = ("It usually comes down to crowding", "Vegetables go soggy when their water cannot leave")
    assert first.quote.startswith(sentences)
    assert (first.good, first.tag, first.comment) == (True, "clear", "quite so + 1")
    assert second.good is False
    assert second.quote in ("usually comes", "go soggy")
    for span in (first, second):
        assert span.response.text[span.start : span.end] == span.quote
    page.keyboard.press("z")
    expect(page.locator(".marks li")).to_have_count(2)
    page.locator(".marks button").first.click()
    page.locator("#markbar [data-remove]").click()
    expect(page.locator(".marks li")).to_have_count(1)


def test_marking_with_the_pointer(people: ThreePeople, page: Page, sign_in: Callable[[str], None]) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    item = page.locator(".resp li", has_text="220 °C").first
    box = item.bounding_box()
    assert box
    page.mouse.move(box["x"] + 2, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 10, steps=5)
    page.mouse.up()
    bar = page.locator("#markbar")
    expect(bar).to_be_visible()
    above = bar.bounding_box()
    assert above
    assert above["y"] + above["height"] <= box["y"] + 2, "the bar covers the marked line or what follows"
    bar.get_by_role("button", name="Bad").click()
    expect(page.locator(".marks li")).to_have_count(1)
    bar.locator("[data-close]").click()
    page.mouse.click(box["x"] + 20, box["y"] + 10)
    expect(bar.locator("[data-remove]")).to_be_visible()
    page.locator(".step").nth(1).click()
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    span = Span.objects.get()
    assert span.quote.startswith("220")
    assert span.response.text[span.start : span.end] == span.quote


def test_what_differs(people: ThreePeople, page: Page, sign_in: Callable[[str], None]) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    page.keyboard.press("c")
    expect(page.locator("#live")).to_contain_text("words only in A")
    assert page.evaluate("CSS.highlights.has('only-a') && CSS.highlights.has('only-b')")
    page.keyboard.press("c")
    assert not page.evaluate("CSS.highlights.has('only-a')")


def test_own_keys_and_turning_them_off(people: ThreePeople, page: Page, sign_in: Callable[[str], None]) -> None:
    people.annotator.keys = {"step2": "A", "skip": "H"}
    people.annotator.save()
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    page.keyboard.press("a")
    expect(page.locator('input[name="position"][value="2"]')).to_be_checked()
    page.keyboard.press("s")
    expect(page.locator("#skip")).to_be_hidden()
    page.keyboard.press("?")
    with page.expect_response(lambda response: "shortcuts=off" in (response.request.post_data or "")):
        page.locator("#shortcuts-off").click()
    page.keyboard.press("Escape")
    page.keyboard.press("6")
    expect(page.locator('input[name="position"][value="2"]')).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    people.annotator.refresh_from_db()
    assert people.annotator.shortcuts is False


def test_letters_are_places_on_the_keyboard(people: ThreePeople, page: Page, sign_in: Callable[[str], None]) -> None:
    """A German keyboard prints Z where others print Y: that key is B's first reason, and shows it."""
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    event = "new KeyboardEvent('keydown', {code: 'KeyY', key: 'z', bubbles: true, cancelable: true})"
    page.evaluate(f"document.querySelector('#prompt').dispatchEvent({event})")
    expect(page.locator('.why-side[data-side="b"] .reason .p input').first).to_be_checked()
    expect(page.locator('.why-side[data-side="b"] kbd[data-key="Y"]')).to_have_text("Z")


def test_a_phone_by_touch(people: ThreePeople, page: Page, sign_in: Callable[[str], None]) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    responses = page.locator("article.resp")
    expect(responses.nth(0)).to_be_visible()
    expect(responses.nth(1)).to_be_hidden()
    page.locator(".step").nth(1).click()
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#missing")).to_contain_text("You have not read B yet")
    swipe(page, -150)
    expect(responses.nth(1)).to_be_visible()
    swipe(page, 150)
    expect(responses.nth(0)).to_be_visible()
    page.locator(".pair-tabs label").nth(1).click()
    expect(responses.nth(1)).to_be_visible()
    page.locator(".step").nth(5).click()
    page.locator("label.why").click()
    expect(page.locator('.why-side[data-side="a"]')).to_be_hidden()
    page.locator('.why-side[data-side="b"] .reason .p').first.click()
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    judgment = Judgment.objects.get()
    assert judgment.strength == 2
    assert judgment.rationale.tags[0]["good"] is True


def test_without_javascript(people: ThreePeople, browser: Browser, live_server: Any) -> None:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(people.annotator.email)
    page.get_by_label("Password", exact=True).fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    page.goto(judge_url(people))
    page.locator(".step").nth(6).click()
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    page.get_by_role("button", name="Undo the last judgment").click()
    expect(page.locator('input[name="position"][value="7"]')).to_be_checked()
    context.close()


def test_with_the_connection_lost_answers_wait_in_order_and_are_stored_once(
    people: ThreePeople, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    wait_for(lambda: Assignment.objects.count() == 3)
    shown = []
    page.context.set_offline(True)
    for n, step in enumerate("657", start=1):
        shown.append(page.locator("#dock").get_attribute("data-dealt"))
        page.keyboard.press(step)
        page.keyboard.press("Enter")
        expect(page.locator("#save")).to_have_text(f"Offline · {n} waiting")
    expect(page.locator("#waiting")).to_contain_text("No connection")
    check_page("judge-offline")
    assert not Judgment.objects.exists()
    page.context.set_offline(False)
    expect(page.locator("#today")).to_contain_text("3 of 40 today")
    expect(page.locator("#save")).to_have_text("Saved")
    expect(page.locator("#dock")).to_be_visible()
    stored = Judgment.objects.order_by("id").values_list("assignment__key", "strength")
    assert [(str(key), strength) for key, strength in stored] == list(zip(shown, (2, 1, 3), strict=True))


def test_a_tab_closed_with_answers_waiting_sends_them_at_the_next_visit(
    people: ThreePeople, page: Page, sign_in: Callable[[str], None]
) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    wait_for(lambda: Assignment.objects.count() == 3)
    page.context.set_offline(True)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("#save")).to_contain_text("1 waiting")
    page.keyboard.press("/")
    page.keyboard.type("Not finis")
    page.close()
    page.context.set_offline(False)
    again = page.context.new_page()
    again.goto(judge_url(people))
    expect(again.locator("#today")).to_contain_text("1 of 40 today")
    expect(again.locator("#why-text")).to_have_value("Not finis")
    assert Judgment.objects.get().strength == 3


def test_an_answer_whose_receipt_was_lost_is_stored_once(
    people: ThreePeople, page: Page, sign_in: Callable[[str], None]
) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    lost: list[str] = []

    def swallow(route: Route) -> None:
        if route.request.method == "POST" and not lost:
            lost.append(route.request.url)
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/judge/", swallow)
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("#save")).to_contain_text("1 waiting")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    assert Judgment.objects.count() == 1


def test_a_session_that_ended_keeps_draft_and_answers_until_the_next(
    people: ThreePeople, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    wait_for(lambda: Assignment.objects.count() == 3)
    Session.objects.all().delete()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("#save")).to_have_text("Signed out · 1 waiting")
    page.keyboard.press("5")
    page.keyboard.press("/")
    page.keyboard.type("Typed after that")
    check_page("judge-signed-out")
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("Email").fill(people.annotator.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    expect(page.locator("#why-text")).to_have_value("Typed after that")
    expect(page.locator('input[name="position"][value="5"]')).to_be_checked()
    assert Judgment.objects.get().strength == 2


def test_a_pair_withdrawn_while_it_was_open_is_told_with_what_was_written(
    people: ThreePeople, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    Pair.objects.filter(assignments__key=page.locator("#dock").get_attribute("data-dealt")).update(
        withdrawn_at=timezone.now()
    )
    page.keyboard.press("2")
    page.keyboard.press("/")
    page.keyboard.type("These words matter")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#kept")).to_contain_text("The owner withdrew this pair")
    expect(page.locator("#kept")).to_contain_text("“These words matter”")
    check_page("judge-refused")
    assert not Judgment.objects.exists()


def test_the_next_pair_is_there_at_once(people: ThreePeople, page: Page, sign_in: Callable[[str], None]) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    wait_for(lambda: Assignment.objects.count() == 3)
    page.route("**/judge/", lambda route: (page.wait_for_timeout(600), route.continue_()))
    before = page.locator("#dock").get_attribute("data-dealt")
    page.keyboard.press("2")
    milliseconds = page.evaluate(
        """() => new Promise((resolve) => {
            const begin = performance.now();
            document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
            requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - begin)));
        })"""
    )
    assert page.locator("#dock").get_attribute("data-dealt") != before
    page.unroute_all(behavior="wait")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    assert milliseconds < 500  # far below the time of the request; the figure itself is the benchmark's


def test_two_fast_clicks_are_one_judgment(people: ThreePeople, page: Page, sign_in: Callable[[str], None]) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    page.locator(".step").nth(0).click()
    page.get_by_role("button", name="Submit").dblclick()
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    assert Judgment.objects.count() == 1


def test_150_words_fit_on_one_screen(people: ThreePeople, page: Page, sign_in: Callable[[str], None]) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
