"""An owner asks who would prefer which response: by keyboard alone, at both widths, with nothing for axe to find."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from annotator.models import Pair
from tests.factories import ThreePeople, make_people, make_project
from tests.personalization.worlds import judge, make_pairs, make_version, responses_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture
def people() -> ThreePeople:
    return make_people(make_project(name="Everyday answers"))


@pytest.fixture
def pairs(people: ThreePeople) -> list[Pair]:
    """What a live model knows, and one person has judged."""
    pairs = make_pairs(people.project, 4)
    make_version(people.project, responses_of(pairs))
    judge(people.judge, pairs[0], "a", strength=3)
    return pairs


def test_ranking_for_two_by_keyboard(
    page: Page,
    people: ThreePeople,
    pairs: list[Pair],
    sign_in: Callable[[str], None],
    check_page: Callable[[str], None],
) -> None:
    sign_in(people.owner.email)
    page.goto(f"/projects/{people.project.slug}/playground/?prompt={pairs[0].prompt_id}")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value(pairs[0].prompt.text)
    person = page.get_by_label("Person 1")
    person.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type(people.judge.ref)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="2 orders")).to_be_visible()
    expect(page.get_by_role("region", name="Everybody").locator("li")).to_have_count(2)
    page.get_by_text("The same by the API").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#curl")).to_contain_text("/api/v1/score")
    check_page("playground-ranked")


def test_what_cannot_be_ranked_is_said_where_it_is(
    page: Page,
    people: ThreePeople,
    pairs: list[Pair],
    sign_in: Callable[[str], None],
    check_page: Callable[[str], None],
) -> None:
    sign_in(people.owner.email)
    page.goto(f"/projects/{people.project.slug}/playground/?prompt={pairs[0].prompt_id}")
    page.get_by_label("Prompt", exact=True).fill("")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("Write a prompt")
    expect(page.get_by_label("Prompt", exact=True)).to_have_attribute("aria-invalid", "true")
    check_page("playground-refused")
