"""An annotator takes their data along and deletes it; the owner sees what is flagged."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from annotator.models import Erasure, Pair
from personalization.erasing import carry_out
from tests.factories import make_people
from tests.training.makers import judge_some, make_tasteful_project, make_version
from training.registry import promote

pytestmark = pytest.mark.django_db(transaction=True)


def test_deleting_ones_own_data(page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]) -> None:
    project = make_tasteful_project(
        annotators=4, prompts=8, each=8, reward_model="bradley_terry", name="Everyday answers"
    )
    people = make_people(project)
    judge_some(people.judge, list(Pair.objects.filter(project=project))[:5])
    promote(version=make_version(project))
    sign_in(people.annotator.email)

    page.goto(f"/projects/{project.slug}/me/")
    page.get_by_role("link", name="Delete my data").click()
    expect(page.get_by_text("5 judgments")).to_be_visible()
    check_page("erase")
    page.get_by_label("Type").fill("no")
    page.get_by_role("button", name="Delete my data for good").click()
    expect(page.locator(".err")).to_contain_text("Nothing was erased")
    check_page("erase-refused")
    page.get_by_label("Type").fill(people.judge.ref)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What was erased")).to_be_visible()
    carry_out(Erasure.objects.get().pk)
    page.reload()
    expect(page.get_by_text("All of it is gone")).to_be_visible()
    check_page("erasure")
    page.goto("/accounts/logout/")
    page.get_by_role("button", name="Sign out").click()

    sign_in(people.owner.email)
    page.goto(f"/projects/{project.slug}/erasures/")
    expect(page.get_by_role("button", name="Train again without them")).to_be_visible()
    check_page("erasures")
    page.get_by_role("link", name="bradley_terry@1").first.click()
    check_page("version-flagged")
    page.get_by_role("button", name="Train again without them").click()
    expect(page.get_by_role("heading", name="Run 2")).to_be_visible()
