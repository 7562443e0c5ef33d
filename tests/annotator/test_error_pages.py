"""What people see where an address leads nowhere, a form is stale, or we have failed."""

from __future__ import annotations

import pytest
from django.template.loader import get_template
from django.test import Client
from django.urls import reverse

from tests.factories import ThreePeople

pytestmark = pytest.mark.django_db


def test_an_unknown_address_is_a_page_in_ones_language(people: ThreePeople, annotator_client: Client) -> None:
    people.annotator.language = "it"
    people.annotator.save()
    reply = annotator_client.get("/projects/nowhere/at/all/")
    assert reply.status_code == 404
    html = reply.content.decode()
    assert "<h1>Qui non c’è niente</h1>" in html
    assert f'href="{reverse("home")}"' in html
    assert "Qui non c’è niente" in annotator_client.get("/projects/nowhere/judge/").content.decode()
    assert "There is nothing here" in Client().get("/nowhere/").content.decode()


def test_a_stale_form_says_so_and_stores_nothing(people: ThreePeople) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(people.annotator)
    reply = browser.post(reverse("theme"), {"theme": "dark"})
    assert reply.status_code == 403
    html = reply.content.decode()
    assert "Open the page again" in html
    assert 'class="alert' not in html, "the judging page takes it for a session that ended"
    people.annotator.refresh_from_db()
    assert people.annotator.theme == "system"


def test_our_own_failure_has_a_page_that_needs_nothing() -> None:
    html = get_template("500.html").render()
    assert "Something went wrong" in html
    assert "</html>" in html
