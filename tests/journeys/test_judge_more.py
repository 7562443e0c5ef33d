"""Around judging: aspects and their importance, one's own judgments, the account, Italian, right-to-left, small screens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from annotator.models import AspectComparison, AspectImportance, AspectRating, Judgment, Span
from annotator.services.aspects import AspectAsked, set_aspects
from tests.factories import ThreePeople, make_pair, make_people, make_project, make_prompt
from tests.journeys.test_judge import ANSWER_A, ANSWER_B, judge_url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people(live_server: Any) -> ThreePeople:
    project = make_project(name="Everyday answers")
    for n in range(4):
        make_pair(project, prompt=make_prompt(project), a=f"{ANSWER_A}\n\n{n}", b=f"{ANSWER_B}\n\n{n}")
    people = make_people(project)
    asked = [AspectAsked("Helpful", "compare"), AspectAsked("Tone", "rate", 5)]
    set_aspects(project=project, by=people.owner, asked=asked)
    return people


def test_aspects_by_keyboard_and_their_importance(
    people: ThreePeople, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    page.keyboard.press("d")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    check_page("judge-aspects")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    assert AspectComparison.objects.get().choice == "tie"
    assert AspectRating.objects.get().value == 2
    page.goto(f"/projects/{people.project.slug}/importance/")
    check_page("importance")
    page.get_by_role("button", name="Tone: more important").click()
    expect(page.get_by_text("This is your order")).to_be_visible()
    assert AspectImportance.objects.get(place=1).aspect.key == "tone"


def test_an_owner_sets_aspects_up(
    people: ThreePeople, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    sign_in(people.owner.email)
    page.goto(f"/projects/{people.project.slug}/setup/aspects/")
    check_page("setup-aspects")
    page.get_by_label("Aspect 3", exact=True).fill("Honest")
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_text("The aspects are saved.")).to_be_visible()
    expect(page.get_by_label("Aspect 3", exact=True)).to_have_value("Honest")


def test_own_judgments_are_found_edited_and_withdrawn(
    people: ThreePeople, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    page.keyboard.press("1")
    page.keyboard.press("/")
    page.keyboard.type("Crisper")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    page.goto(f"/projects/{people.project.slug}/history/")
    check_page("history")
    page.get_by_role("searchbox").fill("crisp")
    expect(page.get_by_text("A much better")).to_be_visible()
    page.get_by_role("link", name="Edit").click()
    expect(page.locator("#why-text")).to_have_value("Crisper")
    check_page("history-edit")
    page.locator("#prompt").focus()
    page.keyboard.press("m")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("-")
    page.keyboard.press("Escape")
    page.keyboard.press("6")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The judgment is changed.")).to_be_visible()
    now = Judgment.objects.get(current=True)
    assert (now.revision, now.strength) == (2, 2)
    assert Span.objects.get().judgment == now
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("button", name="Withdraw it").click()
    expect(page.get_by_text("The judgment is withdrawn")).to_be_visible()
    assert Judgment.objects.get(current=True).withdrawn


def test_the_account_and_own_keys(
    people: ThreePeople, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    sign_in(people.annotator.email)
    page.goto("/account/")
    check_page("account")
    page.get_by_label("Skip this one").press("h")
    expect(page.get_by_label("Skip this one")).to_have_value("H")
    page.get_by_role("button", name="Save keys").click()
    expect(page.get_by_text("Your keys are saved.")).to_be_visible()
    page.goto(judge_url(people))
    page.get_by_label("Text size and line length").click()
    page.get_by_text("Very large").click()
    check_page("judge-reading")
    page.keyboard.press("Escape")
    page.keyboard.press("h")
    expect(page.locator("#skip")).to_be_visible()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.text") == "xl"


def test_right_to_left_and_italian_and_small_screens(
    people: ThreePeople, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    prompt = make_prompt(people.project, "كيف أسلق البيض؟")
    people.project.pairs.all().delete()
    make_pair(people.project, prompt=prompt, a="اسلقه **عشر** دقائق ثم برّده.", b="- Ten minutes\n- then cold water")
    people.annotator.language = "it"
    people.annotator.save()
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    expect(page.locator("html")).to_have_attribute("lang", "it")
    expect(page.get_by_text("A molto meglio")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.prompt .now')).direction") == "rtl"
    directions = page.evaluate("[...document.querySelectorAll('.resp .md')].map((e) => getComputedStyle(e).direction)")
    assert sorted(directions) == ["ltr", "rtl"]
    check_page("judge-italian")
    for width in (320, 720):  # 400 % and 200 % of an ordinary screen
        page.set_viewport_size({"width": width, "height": 640})
        wide = page.evaluate(
            """[...document.querySelectorAll("body *")].filter((each) => each.getBoundingClientRect().right > innerWidth + 1
            && !each.closest("pre, table, .scroll, [popover]")).map((each) => each.className || each.tagName)"""
        )
        assert wide == [], (width, wide)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.keyboard.press("m")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("+")
    page.keyboard.press("Escape")
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Era l’ultimo")).to_be_visible()
    check_page("judge-empty")
    span = Span.objects.get()
    assert span.response.text[span.start : span.end] == span.quote
