"""A session and its user: read together once this process knows whose the session is, and never out of date."""

from __future__ import annotations

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotator.accounts import Backend
from annotator.models import User
from annotator.sessions import SessionStore
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return make_user()


@pytest.fixture
def client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    client.get(reverse("home"))
    return client


def user_shown(client: Client) -> User | None:
    return client.get(reverse("home")).wsgi_request.user  # type: ignore[return-value]


def test_a_known_session_and_its_user_are_one_query(client: Client, user: User) -> None:
    key = client.session.session_key
    with CaptureQueriesContext(connection) as queries:
        SessionStore(key).load()
        assert Backend().get_user(user.pk) == user
    assert len(queries) == 1
    with CaptureQueriesContext(connection) as queries:  # what was read with the session serves once
        assert Backend().get_user(user.pk) == user
    assert len(queries) == 1


def test_what_changes_of_the_user_shows_at_once(client: Client, user: User) -> None:
    User.objects.filter(pk=user.pk).update(name="Somebody else by now")
    assert user_shown(client).name == "Somebody else by now"  # type: ignore[union-attr]
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get(reverse("home")).status_code == 302


def test_a_session_that_becomes_another_persons_is_theirs(client: Client, user: User) -> None:
    other = make_user()
    session = client.session
    session[SESSION_KEY] = str(other.pk)
    session["_auth_user_hash"] = other.get_session_auth_hash()
    session.save()
    assert user_shown(client) == other != user
    assert user_shown(client) == other


def test_a_session_that_is_gone_logs_out(client: Client) -> None:
    Session.objects.all().delete()
    assert client.get(reverse("home")).status_code == 302


def test_a_session_of_nobody_stays_so() -> None:
    store = SessionStore()
    store["seen"] = 1
    store.save()
    assert SessionStore(store.session_key).load() == {"seen": 1}
    assert SessionStore(store.session_key).load() == {"seen": 1}
