"""Somebody leaves for good: from the account page to the report; an owner deletes a member's login."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from annotator.models import Pair, User
from tests.factories import make_people
from tests.training.makers import judge_some, make_tasteful_project

pytestmark = pytest.mark.django_db(transaction=True)


def test_leaving_for_good(page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]) -> None:
    people = make_people(make_tasteful_project(annotators=4, prompts=8, each=8, name="Everyday answers"))
    judge_some(people.judge, list(Pair.objects.filter(project=people.project))[:5])
    sign_in(people.annotator.email)
    page.goto("/account/")
    page.get_by_role("link", name="Delete my account").click()
    expect(page.get_by_text("5 judgments")).to_be_visible()
    check_page("login-delete")
    page.get_by_label("Type").fill("no@example.org")
    page.get_by_role("button", name="Delete my account for good").click()
    expect(page.locator(".err")).to_contain_text("Nothing was deleted")
    page.get_by_label("Type").fill(people.annotator.email)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What was deleted")).to_be_visible()
    check_page("login-deleted")
    assert not User.objects.filter(pk=people.annotator.pk).exists()
    page.goto("/account/")
    expect(page).to_have_url("/accounts/login/?next=/account/")


def test_an_owner_deletes_a_login(
    page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    people = make_people(make_tasteful_project(annotators=4, prompts=8, each=8, name="Everyday answers"))
    sign_in(people.owner.email)
    page.goto(f"/projects/{people.project.slug}/people/")
    check_page("people")
    page.get_by_role("link", name=f"Delete the login of {people.annotator}").click()
    page.get_by_label("Type").fill(people.annotator.email)
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("heading", name="What was deleted")).to_be_visible()
    page.goto("/account/delete/")
    expect(page.get_by_text("has no other owner")).to_be_visible()
    check_page("login-not-yet")
