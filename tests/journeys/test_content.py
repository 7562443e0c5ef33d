"""What is judged, beyond plain text: pictures, replies in the middle of a conversation, second looks with hindsight."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from annotator.models import HINDSIGHT, Judgment, Pair, Response
from tests.factories import PASSWORD, ThreePeople, make_pair, make_people, make_project, make_prompt
from tests.journeys.test_judge import ANSWER_A, ANSWER_B, judge_url
from tests.pictures import picture, pictured

pytestmark = pytest.mark.django_db(transaction=True)

SignIn = Callable[[str], None]
CheckPage = Callable[[str], None]
WENT_ON = [
    {"role": "user", "content": "Thanks, the yolk was soft. And for three people?"},
    {"role": "assistant", "content": "The same time: the pot only needs a little more water."},
]


def with_pictures(project: Any, n: int = 3) -> None:
    for _ in range(n):
        pair = make_pair(project, prompt=make_prompt(project, "A sign for a bakery"), a="A red loaf", b="A blue oven")
        pictured(pair.response_a, "firebrick", (1200, 800))
        pictured(pair.response_b, "navy", (900, 900))


def zooms(page: Page) -> list[str]:
    return [each.get_attribute("style") or "" for each in page.locator(".pic img").all()]


def test_pictures_by_keyboard(page: Page, live_server: Any, sign_in: SignIn, check_page: CheckPage) -> None:
    people = make_people(make_project(name="Signs"))
    with_pictures(people.project)
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    expect(page.get_by_role("img", name="A red loaf")).to_be_visible()
    expect(page.get_by_role("img", name="A blue oven")).to_be_visible()
    natural = page.evaluate("[...document.querySelectorAll('.pic img')].map((i) => i.naturalWidth)")
    assert sorted(natural) == [900, 1200]
    expect(page.locator("#compare")).to_be_hidden()  # words differ, pictures do not
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), "one screen at 1440 × 900"
    check_page("judge-pictures")
    page.keyboard.press(".")
    expect(page.locator("#zoom output")).to_have_text("150 %")
    one, other = zooms(page)
    assert one == other and "scale(1.5)" in one
    page.keyboard.press("v")
    expect(page.locator(".pic").first).to_be_focused()
    page.keyboard.press("ArrowRight")
    assert zooms(page)[0] == zooms(page)[1] != one
    page.keyboard.press("v")
    expect(page.locator(".pic").last).to_be_focused()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    assert "translate(25%" in zooms(page)[0], "no further than to the edge"
    check_page("judge-pictures-zoomed")
    page.keyboard.press("0")
    assert zooms(page) == ["", ""]
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    assert Judgment.objects.get().choice in ("a", "b")


def test_pictures_by_pointer(page: Page, live_server: Any, sign_in: SignIn) -> None:
    people = make_people(make_project(name="Signs"))
    with_pictures(people.project)
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    page.get_by_role("button", name="Larger").click()
    expect(page.locator("#zoom output")).to_have_text("150 %")
    page.get_by_role("button", name="Fit").click()
    box = page.locator(".pic").first.bounding_box()
    assert box
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.dblclick(*middle)
    expect(page.locator("#zoom output")).to_have_text("250 %")
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 40, middle[1] + 20)
    page.mouse.up()
    one, other = zooms(page)
    assert one == other and not one.startswith("transform: translate(0%")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    expect(page.locator("#zoom output")).not_to_have_text("250 %")
    page.get_by_role("radio", name="A better", exact=True).check(force=True)
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    assert zooms(page) == ["", ""], "the next pair is fitted in"


def test_pictures_with_two_fingers_on_a_phone(browser: Browser, live_server: Any) -> None:
    people = make_people(make_project(name="Signs"))
    with_pictures(people.project)
    context = browser.new_context(
        base_url=live_server.url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    try:
        page.goto("/accounts/login/")
        page.get_by_label("Email").fill(people.annotator.email)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/")
        page.goto(judge_url(people))
        box = page.locator(".pic").first.bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        session = context.new_cdp_session(page)

        def touch(kind: str, *points: tuple[float, float]) -> None:
            touches = [{"x": px, "y": py, "id": n} for n, (px, py) in enumerate(points)]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

        touch("touchStart", (x - 20, y), (x + 20, y))
        for step in range(1, 6):
            touch("touchMove", (x - 20 - 10 * step, y), (x + 20 + 10 * step, y))
        touch("touchEnd")
        scale = int(re.sub(r"\D", "", page.locator("#zoom output").inner_text()))
        assert 200 < scale < 500
        assert page.evaluate("visualViewport.scale") == 1, "the page itself is not zoomed"
        touch("touchStart", (x + 60, y))
        touch("touchMove", (x - 60, y))
        touch("touchEnd")
        expect(page.locator("#view-a")).to_be_checked()  # moving a picture is no swipe to the other one
        page.get_by_role("button", name="Fit").click()
        touch("touchStart", (x + 90, y))
        touch("touchMove", (x - 90, y))
        touch("touchEnd")
        expect(page.locator("#view-b")).to_be_checked()
    finally:
        context.close()


def test_an_owner_adds_pictures(
    page: Page, live_server: Any, sign_in: SignIn, check_page: CheckPage, tmp_path: Path
) -> None:
    people = make_people(make_project(name="Signs"))
    for name, colour in (("loaf", "red"), ("oven", "blue")):
        (tmp_path / f"{name}.png").write_bytes(picture(colour))
    sign_in(people.owner.email)
    page.goto(f"/projects/{people.project.slug}/data/")
    page.get_by_role("link", name="Pictures").click()
    check_page("pictures-empty")
    page.get_by_label("What was asked").fill("A sign for a bakery")
    first, second = (page.get_by_role("group", name=f"Picture {n}") for n in (1, 2))
    first.get_by_label("File").set_input_files(tmp_path / "loaf.png")
    second.get_by_label("File").set_input_files(tmp_path / "oven.png")
    first.get_by_label("What it shows").fill("A red loaf")
    page.get_by_role("button", name="Add them").click()
    expect(page.get_by_text("Say what picture 2 shows")).to_be_visible()
    check_page("pictures-error")
    first.get_by_label("File").set_input_files(tmp_path / "loaf.png")
    second.get_by_label("File").set_input_files(tmp_path / "oven.png")
    second.get_by_label("What it shows").fill("A blue oven")
    page.get_by_role("button", name="Add them").click()
    expect(page.get_by_text("The pictures are in the project")).to_be_visible()
    check_page("pictures")
    pair = Pair.objects.get()
    page.goto(f"/projects/{people.project.slug}/pairs/{pair.pk}/")
    expect(page.get_by_role("img", name="A blue oven")).to_be_visible()
    check_page("pair-pictures")


def test_a_reply_in_the_middle(page: Page, live_server: Any, sign_in: SignIn, check_page: CheckPage) -> None:
    project = make_project(name="Kitchen talk")
    before = [
        {"role": "user", "content": "I want to boil eggs."},
        {"role": "assistant", "content": "Soft or hard?"},
        {"role": "user", "content": "Soft, please."},
    ]
    for shared in (True, False):
        pair = make_pair(project, prompt=make_prompt(project, "Soft, please.", messages=before), a=ANSWER_A, b=ANSWER_B)
        changed = [pair.response_a_id, pair.response_b_id] if shared else [pair.response_b_id]
        Response.objects.filter(pk__in=changed).update(after=WENT_ON)
    people = make_people(project)
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    expect(page.locator(".prompt .now")).to_have_text("Soft, please.")
    after = page.locator(".after")
    expect(after).to_have_count(1)
    expect(after.get_by_text("And for three people?")).to_be_visible()
    check_page("judge-middle-shared")
    after.locator("summary").click()
    expect(after.get_by_text("And for three people?")).to_be_hidden()
    page.keyboard.press("m")
    assert "three people" not in page.evaluate("getSelection().toString()")
    page.keyboard.press("Escape")
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    expect(page.locator(".resp .after")).to_have_count(1)
    check_page("judge-middle-own")
    page.locator(".step").nth(5).click()
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#today")).to_contain_text("2 of 40 today")
    expect(page.locator("#save")).to_have_text("Saved")
    assert sorted(Judgment.objects.values_list("strength", flat=True)) == [1, 2]


@pytest.fixture
def hindsight(live_server: Any) -> ThreePeople:
    project = make_project(name="Advice", hindsight_rate=1.0)
    for n in range(26):  # enough for pages to hold some ahead
        pair = make_pair(project, prompt=make_prompt(project), a=f"{ANSWER_A}\n\n{n}", b=f"{ANSWER_B}\n\n{n}")
        Response.objects.filter(pk=pair.response_a_id).update(
            consequence="The eggs were **hard**, and nobody ate them."
        )
        Response.objects.filter(pk=pair.response_b_id).update(consequence="Everybody had a second one.")
    return make_people(project)


def test_a_second_look_by_keyboard(hindsight: ThreePeople, page: Page, sign_in: SignIn, check_page: CheckPage) -> None:
    sign_in(hindsight.annotator.email)
    page.goto(judge_url(hindsight))
    page.wait_for_load_state("networkidle")
    expect(page.get_by_text("nobody ate them")).to_have_count(0)
    first = page.locator(".resp .md").first.inner_text()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.get_by_text("A second look.")).to_be_visible()
    expect(page.get_by_text("nobody ate them")).to_be_visible()
    assert page.locator(".resp .md").first.inner_text() == first, "the same pair on the same sides"
    check_page("judge-hindsight")
    page.keyboard.press("6")
    page.keyboard.press("Enter")
    expect(page.get_by_text("A second look.")).to_have_count(0)
    expect(page.locator("#today")).to_contain_text("2 of 40 today")
    assert sorted(Judgment.objects.values_list("occasion", flat=True)) == [0, HINDSIGHT]
    assert Judgment.objects.filter(current=True, withdrawn=False).count() == 2
    page.keyboard.press("z")
    expect(page.get_by_text("A second look.")).to_be_visible()
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    page.keyboard.press("Enter")
    expect(page.get_by_text("A second look.")).to_have_count(0)
    expect(page.locator("#today")).to_contain_text("2 of 40 today")
    expect(page.locator("#save")).to_have_text("Saved")  # else the page that is left keeps it for the next visit
    page.goto(f"/projects/{hindsight.project.slug}/history/")
    expect(page.get_by_text("with hindsight")).to_have_count(1)
    check_page("history-hindsight")


def test_a_second_look_by_pointer_and_what_the_owner_sees(
    hindsight: ThreePeople, page: Page, sign_in: SignIn, forget_cookies: Callable[[Page], None], check_page: CheckPage
) -> None:
    sign_in(hindsight.annotator.email)
    page.goto(judge_url(hindsight))
    page.get_by_role("radio", name="A better", exact=True).check(force=True)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("A second look.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("A second look.")).to_be_visible()
    page.get_by_role("radio", name="B better", exact=True).check(force=True)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("A second look.")).to_have_count(0)
    expect(page.locator("#today")).to_contain_text("2 of 40 today")
    page.wait_for_load_state("networkidle")
    forget_cookies(page)
    sign_in(hindsight.owner.email)
    page.goto(f"/projects/{hindsight.project.slug}/")
    expect(page.get_by_text("people changed their minds 1 of 1 times")).to_be_visible()
    pair = Judgment.objects.filter(occasion=HINDSIGHT).get().pair_id
    page.goto(f"/projects/{hindsight.project.slug}/pairs/{pair}/")
    page.get_by_label("What comes of following A").fill("Nothing at all.")
    page.get_by_role("button", name="Keep what comes of them").click()
    expect(page.get_by_text("What comes of them is kept.")).to_be_visible()
    check_page("pair-hindsight")
    page.goto(f"/projects/{hindsight.project.slug}/setup/")
    page.get_by_label("Asked again with hindsight, %").fill("25")
    page.get_by_role("button", name="Save changes").first.click()
    hindsight.project.refresh_from_db()
    assert hindsight.project.hindsight_rate == 0.25
    check_page("setup-hindsight")


def test_a_second_look_waits_while_the_connection_is_away(hindsight: ThreePeople, page: Page, sign_in: SignIn) -> None:
    sign_in(hindsight.annotator.email)
    page.goto(judge_url(hindsight))
    page.wait_for_load_state("networkidle")
    page.context.set_offline(True)
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("#save")).to_contain_text("Offline")
    expect(page.locator("#dock")).to_be_visible()  # the pairs that are held go on
    expect(page.get_by_text("A second look.")).to_have_count(0)
    page.context.set_offline(False)
    expect(page.locator("#save")).to_contain_text("Saved", timeout=15_000)
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.get_by_text("A second look.")).to_be_visible()


def test_undo_at_a_second_look_asks_the_first_again_and_then_the_second_once(
    hindsight: ThreePeople, page: Page, sign_in: SignIn
) -> None:
    sign_in(hindsight.annotator.email)
    page.goto(judge_url(hindsight))
    page.wait_for_load_state("networkidle")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.get_by_text("A second look.")).to_be_visible()
    page.keyboard.press("z")
    expect(page.get_by_text("A second look.")).to_have_count(0)
    expect(page.get_by_role("radio", name="A better", exact=True)).to_be_checked()
    page.keyboard.press("5")
    page.keyboard.press("Enter")
    expect(page.get_by_text("A second look.")).to_be_visible()
    page.keyboard.press("6")
    page.keyboard.press("Enter")
    expect(page.get_by_text("A second look.")).to_have_count(0)
    expect(page.locator("#today")).to_contain_text("2 of 40 today")
    stands = Judgment.objects.filter(current=True, withdrawn=False).order_by("occasion")
    assert [(each.occasion, each.revision) for each in stands] == [(0, 3), (HINDSIGHT, 1)]
