"""Judging in a real browser: by keyboard alone, by pointer on a phone, without JavaScript, with the connection lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from annotator.models import Assignment, Judgment
from tests.factories import ThreePeople, make_pair, make_people, make_project, make_prompt

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
    project = make_project(name="Everyday answers", reason_tags=[{"key": t.lower(), "label": t} for t in tags])
    for n in range(6):
        prompt = make_prompt(project, f"Why do my roast vegetables come out soggy instead of crisp ({n})?")
        make_pair(project, prompt=prompt, a=f"{ANSWER_A}\n\n{n}", b=f"{ANSWER_B}\n\n{n}")
    return make_people(project)


def judge_url(people: ThreePeople) -> str:
    return f"/projects/{people.project.slug}/judge/"


def test_by_keyboard_alone(
    people: ThreePeople, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    check_page("judge")
    page.keyboard.press("Enter")
    expect(page.locator("#missing")).to_have_text("Choose 1–7 first")
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
    skipped = page.locator("#dock").get_attribute("data-dealt")
    page.keyboard.press("s")
    expect(page.locator("#dock")).not_to_have_attribute("data-dealt", skipped or "")
    assert Assignment.objects.get(key=skipped).state == "skipped"
    expect(page.locator("#dock")).to_have_attribute("data-dealt", str(Assignment.objects.get(state="open").key))
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    check_page("judge-keys")


def test_a_phone_by_touch(people: ThreePeople, page: Page, sign_in: Callable[[str], None]) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    responses = page.locator("article.resp")
    expect(responses.nth(0)).to_be_visible()
    expect(responses.nth(1)).to_be_hidden()
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


def test_a_lost_connection_keeps_the_answer_and_the_retry_saves_it_once(
    people: ThreePeople, page: Page, sign_in: Callable[[str], None]
) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    page.keyboard.press("6")
    page.context.set_offline(True)
    page.keyboard.press("Enter")
    expect(page.locator("#save")).to_contain_text("Not saved: no connection")
    expect(page.locator('input[name="position"][value="6"]')).to_be_checked()
    page.context.set_offline(False)
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    expect(page.locator("#save")).to_have_text("Saved")
    assert Judgment.objects.get().strength == 2


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
