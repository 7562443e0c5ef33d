"""An owner adds a webhook, tries it and looks at what became of the message."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.factories import make_people

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_webhook_from_its_address_to_its_message(
    page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    people = make_people(name="Everyday answers")
    sign_in(people.owner.email)
    page.goto(f"/projects/{people.project.slug}/setup/")
    page.get_by_role("link", name="Webhooks").click()
    page.get_by_role("button", name="Add it").click()
    expect(page.locator(".err").first).to_contain_text("required")
    check_page("webhooks-refused")
    page.get_by_label("Address").fill("https://example.com/hook")
    page.get_by_text("A run is over").click()
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_label("Secret")).to_have_value(re.compile(r"^whsec_"))
    check_page("webhooks-fresh")
    page.get_by_role("button", name="Test").click()
    expect(page.get_by_text("on its way", exact=True)).to_be_visible()
    check_page("webhook-deliveries")
