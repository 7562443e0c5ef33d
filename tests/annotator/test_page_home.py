"""The list of one's projects, and the account."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotator.models import Project, Role
from tests.factories import ThreePeople, login, make_member, make_project

pytestmark = pytest.mark.django_db


def test_everybody_sees_their_own_projects_only(
    people: ThreePeople, owner_client: Client, annotator_client: Client, stranger_client: Client
) -> None:
    name = people.project.name
    assert name in owner_client.get("/").content.decode()
    assert name in annotator_client.get("/").content.decode()
    assert f">{name}<" not in stranger_client.get("/").content.decode()
    assert Client().get("/").status_code == 302


def test_an_archived_project_is_kept_for_its_owner(
    people: ThreePeople, owner_client: Client, annotator_client: Client
) -> None:
    Project.objects.filter(pk=people.project.pk).update(archived_at=timezone.now())
    html = owner_client.get("/").content.decode()
    assert people.project.name in html
    assert ">archived<" in html
    assert reverse("judge", args=[people.project.slug]) not in html
    assert people.project.name not in annotator_client.get("/").content.decode()


def test_many_projects_take_no_more_queries(
    people: ThreePeople, owner_client: Client, django_assert_num_queries: object
) -> None:
    for _ in range(5):
        make_member(make_project(pairs=1), people.owner, Role.OWNER)
    with django_assert_num_queries(3):  # type: ignore[operator]
        owner_client.get("/")


def test_the_theme_is_kept_and_goes_back_to_the_page(people: ThreePeople, annotator_client: Client) -> None:
    reply = annotator_client.post(reverse("theme"), {"theme": "dark", "next": "/account/"})
    assert reply.url == "/account/"
    assert 'data-theme="dark"' in annotator_client.get("/").content.decode()


def test_the_theme_sends_nobody_elsewhere(people: ThreePeople, annotator_client: Client) -> None:
    assert annotator_client.post(reverse("theme"), {"theme": "dark", "next": "https://evil.example"}).url == "/"
    assert annotator_client.post(reverse("theme"), {"theme": "neon"}).status_code == 422


def test_the_account_keeps_name_and_shortcuts(people: ThreePeople) -> None:
    client = login(people.annotator)
    usual = {"text_size": "m", "line_length": "normal", "break_minutes": "45", "show_guess": "on"}
    client.post(reverse("account"), usual | {"name": " Anna B. "})
    people.annotator.refresh_from_db()
    assert (people.annotator.name, people.annotator.shortcuts, people.annotator.initials) == ("Anna B.", False, "AB")
    assert 'data-shortcuts="off"' in client.get(reverse("judge", args=[people.project.slug])).content.decode()


def test_nobody_signs_up_without_an_invitation(db: None) -> None:
    assert "By invitation" in Client().get("/accounts/signup/").content.decode()


def test_wrong_passwords_are_slowed_down(people: ThreePeople) -> None:
    client = Client(REMOTE_ADDR="203.0.113.9")
    form = {"login": people.annotator.email, "password": "wrong password"}
    replies = [client.post("/accounts/login/", form) for _ in range(12)]
    assert "Too many" in replies[-1].content.decode()
    assert client.post("/accounts/login/", form | {"password": "correct horse battery"}).status_code != 302


def test_a_password_can_be_changed_and_reset_in_our_own_pages(people: ThreePeople, annotator_client: Client) -> None:
    assert "Change your password</h1>" in annotator_client.get("/accounts/password/change/").content.decode()
    visitor = Client()
    assert "Reset your password</h1>" in visitor.get("/accounts/password/reset/").content.decode()
    done = visitor.post("/accounts/password/reset/", {"email": people.annotator.email}, follow=True)
    assert "Look at your mail</h1>" in done.content.decode()
    link = re.search(r"/accounts/password/reset/key/\S+", mail.outbox[0].body)
    assert link
    form = visitor.get(link.group(), follow=True)
    assert "Choose a new password</h1>" in form.content.decode()
    new = {"password1": "another long password 7", "password2": "another long password 7"}
    reply = visitor.post(form.redirect_chain[-1][0], new, follow=True)
    assert "Password changed</h1>" in reply.content.decode()
    people.annotator.refresh_from_db()
    assert people.annotator.check_password("another long password 7")
