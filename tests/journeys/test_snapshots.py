"""An owner freezes judgments, looks at what is frozen, and compares two."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.factories import make_pair, make_people
from tests.training.makers import judge, make_tasteful_project, make_version
from training.snapshots import take_snapshot

pytestmark = pytest.mark.django_db(transaction=True)


def test_freezing_and_comparing(page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]) -> None:
    project = make_tasteful_project(
        annotators=4, prompts=8, each=8, reward_model="bradley_terry", name="Everyday answers"
    )
    people = make_people(project)
    sign_in(people.owner.email)

    page.goto(f"/projects/{project.slug}/data/")
    page.get_by_role("link", name="Snapshots").click()
    expect(page.get_by_role("heading", name="Nothing frozen yet")).to_be_visible()
    check_page("snapshots-empty")
    page.get_by_label("Name").fill("no good name")
    page.get_by_role("button", name="Freeze").click()
    expect(page.get_by_role("alert")).to_contain_text("can’t be a name")
    page.get_by_text("Only some of them").click()
    check_page("snapshots-refused")
    page.get_by_label("Name").fill("first")
    page.get_by_role("button", name="Freeze").click()
    expect(page.get_by_role("rowheader", name="first")).to_be_visible()

    make_version(project)
    for annotator in project.annotators.filter(simulated=True):
        judge(annotator, make_pair(project), "b", text="It is kinder.")
    page.get_by_text("Freeze judgments").click()
    page.get_by_label("Name").fill("second")
    page.get_by_role("button", name="Freeze").click()
    expect(page.get_by_role("link", name="bradley_terry@1")).to_be_visible()
    check_page("snapshots")
    judge(annotator, make_pair(project), "a")
    take_snapshot(project=project)
    page.reload()
    page.get_by_text("Name it …").click()
    check_page("snapshots-naming")
    page.get_by_label("Name (given once)").fill("third")
    page.get_by_role("button", name="Name it").click()
    expect(page.get_by_role("rowheader", name="third")).to_be_visible()
    page.get_by_label("From", exact=True).select_option("first")
    page.get_by_label("To", exact=True).select_option("second")
    page.get_by_role("button", name="What changed").click()
    expect(page.get_by_role("link", name="4 came")).to_be_visible()
    check_page("snapshot-diff")
    page.get_by_role("link", name="0 went").click()
    expect(page.get_by_role("heading", name="No difference")).to_be_visible()
