"""What happens between judgments: somebody is paused and restored, takes back and edits what they said, takes a break."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from annotator.models import Annotator, Judgment, Project, QualityStep
from annotator.services.answers import Answer
from annotator.services.asking import next_task
from annotator.services.gold import set_gold
from annotator.services.judging import record
from annotator.services.standing import check_standing
from tests.factories import ThreePeople, make_lineup, make_pair, make_people, make_project
from tests.journeys.test_kinds import judge_url, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[str], None]
ForgetCookies = Callable[[Page], None]
CheckPage = Callable[[str], None]


@pytest.fixture
def people(live_server: Any) -> ThreePeople:
    return make_people(make_project(name="Everyday answers", pairs=26))


def fail_checks(people: ThreePeople, consequence: str) -> None:
    """Three known answers that the annotator gets wrong, held against the project's bar."""
    project = people.project
    for _ in range(3):
        set_gold(pair=make_pair(project), choice="a", by=None)
    Project.objects.filter(pk=project.pk).update(gold_rate=0.5, gold_bar=0.9, checks_needed=3, consequence=consequence)
    for pair in project.pairs.exclude(gold_choice=""):
        Judgment.objects.create(
            project=project, annotator=people.judge, pair=pair, choice="b", strength=2, client_key=uuid4(), kind="pair"
        )
    project.refresh_from_db()
    assert check_standing(project=project) == 1


def test_somebody_is_paused_while_judging_and_restored(
    people: ThreePeople, page: Page, sign_in: SignIn, forget_cookies: ForgetCookies, check_page: CheckPage
) -> None:
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    page.wait_for_load_state("networkidle")
    fail_checks(people, "pause")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Nothing is asked of you now")).to_be_visible()
    expect(page.get_by_text("Your work in this project is paused. Its owner can tell you why.")).to_have_count(1)
    expect(page.locator("#kept > *")).to_have_count(0)
    assert Judgment.objects.filter(assignment__isnull=False).count() == 1, "the answer counts"
    expect(page.locator("#today")).to_contain_text("4 of 40 today")
    check_page("judge-paused")
    page.reload()
    expect(page.get_by_role("heading", name="Nothing is asked of you now")).to_be_visible()
    forget_cookies(page)
    sign_in(people.owner.email)
    page.goto(f"/projects/{people.project.slug}/quality/people/{people.judge.pk}/")
    expect(page.get_by_text("Paused").first).to_be_visible()
    check_page("annotator-paused")
    page.get_by_role("button", name="Restore").click()
    wait_for(lambda: Annotator.objects.get(pk=people.judge.pk).paused_at is None)
    assert list(QualityStep.objects.values_list("what", flat=True)) == ["restored", "paused"]
    forget_cookies(page)
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    expect(page.get_by_role("form", name="Your judgment")).to_be_visible()


@pytest.mark.parametrize("consequence", ["warn", "drop"])
def test_a_warning_and_leaving_out_are_the_owners_to_see_alone(
    consequence: str, people: ThreePeople, page: Page, sign_in: SignIn, forget_cookies: ForgetCookies
) -> None:
    fail_checks(people, consequence)
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    expect(page.get_by_role("form", name="Your judgment")).to_be_visible()
    for word in ("warn", "left out", "known answer", "check"):
        assert word not in page.locator("body").inner_text().lower()
    forget_cookies(page)
    sign_in(people.owner.email)
    page.goto(f"/projects/{people.project.slug}/quality/")
    expect(page.get_by_text("Owners told" if consequence == "warn" else "Left out of training").first).to_be_visible()
    if consequence == "drop":
        page.goto(f"/projects/{people.project.slug}/quality/people/{people.judge.pk}/")
        page.get_by_role("button", name="Restore").click()
        wait_for(lambda: Annotator.objects.get(pk=people.judge.pk).dropped_at is None)


@pytest.mark.parametrize("kind", ["ranking", "rating"])
def test_a_ranking_and_a_rating_are_undone_and_edited(
    kind: str, live_server: Any, page: Page, sign_in: SignIn, check_page: CheckPage
) -> None:
    people = make_people(make_project(name="Everyday answers", kinds=[kind]))
    for _ in range(24):
        make_lineup(people.project, 3 if kind == "ranking" else 1)
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    page.wait_for_load_state("networkidle")
    page.keyboard.type("wxy" if kind == "ranking" else "2")
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    expect(page.locator("#save")).to_have_text("Saved")
    page.keyboard.press("z")
    expect(page.locator("#today")).to_contain_text("0 of 40 today")
    if kind == "ranking":
        expect(page.locator("#order-now")).to_have_text("W › X › Y")
        page.keyboard.type("x=")
        expect(page.locator("#order-now")).to_have_text("W = X › Y")
    else:
        expect(page.get_by_role("radio", name="2", exact=True)).to_be_checked()
        page.keyboard.press("3")
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    expect(page.locator("#save")).to_have_text("Saved")
    said = Judgment.objects.get(current=True)
    assert (said.revision, said.rating) == (3, None if kind == "ranking" else 3)
    assert [len(tier) for tier in said.ranking or ()] == ([2, 1] if kind == "ranking" else [])
    page.goto(f"/projects/{people.project.slug}/history/")
    check_page(f"history-{kind}")
    page.get_by_role("link", name="Edit").click()
    check_page(f"history-edit-{kind}")
    page.locator("#prompt").focus()
    if kind == "ranking":
        page.keyboard.press("y")
        page.keyboard.press("1")
        expect(page.locator("#order-now")).to_have_text("Y › W = X")
    else:
        page.keyboard.press("5")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The judgment is changed.")).to_be_visible()
    edited = Judgment.objects.get(current=True)
    assert (edited.revision, edited.rating) == (4, None if kind == "ranking" else 5)
    assert [len(tier) for tier in edited.ranking or ()] == ([1, 2] if kind == "ranking" else [])


def test_a_break_is_suggested_and_can_be_closed(people: ThreePeople, page: Page, sign_in: SignIn) -> None:
    sign_in(people.annotator.email)
    page.clock.install()
    page.goto(judge_url(people))
    page.wait_for_load_state("networkidle")
    page.clock.fast_forward(50 * 60_000)
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    note = page.locator("#kept").get_by_text("A short break keeps judgments fresh.")
    expect(note).to_be_visible()
    page.locator("#kept").get_by_role("button", name="Close").click()
    expect(note).to_have_count(0)


def test_at_twice_the_size_everything_is_there_and_nothing_scrolls_sideways(
    people: ThreePeople, page: Page, sign_in: SignIn
) -> None:
    """1440 × 900 at 200 % is 720 × 450, and 1280 × 1024 at 400 % is 320 × 256."""
    sign_in(people.annotator.email)
    for width, height in ((720, 450), (320, 256)):
        page.set_viewport_size({"width": width, "height": height})
        page.goto(judge_url(people))
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, width
        page.get_by_role("button", name="Submit").scroll_into_view_if_needed()
        expect(page.get_by_role("button", name="Submit")).to_be_in_viewport()
        page.locator(".resp .md").first.scroll_into_view_if_needed()
        expect(page.locator(".resp .md").first).to_be_in_viewport()


def test_qualification_of_a_ranking_is_asked_first_and_told_at_its_end(
    live_server: Any, page: Page, sign_in: SignIn, forget_cookies: ForgetCookies, check_page: CheckPage
) -> None:
    people = make_people(make_project(name="Everyday answers", kinds=["ranking"], qualify_share=1.0))
    for n in range(4):
        lineup = make_lineup(people.project, 3)
        if n == 3:
            first = lineup
    sign_in(people.owner.email)
    page.goto(f"/projects/{people.project.slug}/lineups/{first.pk}/")
    for number in (1, 2, 3):
        page.locator(f"#gold-{number}").select_option(str(number))
    page.get_by_label("Ask it before anything else").check()
    page.get_by_role("button", name="Keep the answer").click()
    expect(page.get_by_text("Nobody who is asked can tell that it has one.")).to_be_visible()
    check_page("lineup-qualifying")
    forget_cookies(page)
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    expect(page.locator("#prompt")).to_contain_text(first.prompt.text)
    task = next_task(annotator=people.judge)
    assert task
    worst_first = sorted(task.shown.items(), key=lambda each: -each[1].response_id)  # type: ignore[union-attr]
    answer = Answer(choice="ranked", ranking=tuple((side,) for side, _ in worst_first))
    record(annotator=people.judge, assignment_key=task.key, client_key=uuid4(), answer=answer)
    page.reload()
    expect(page.get_by_text("This project works with people whose first answers match")).to_be_visible()
    check_page("judge-not-qualified")
