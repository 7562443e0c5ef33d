"""The administration opens for superusers alone, lists everything, and changes no judgment."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from annotator.models import Judgment, Rationale, User
from tests.annotator.test_pages_owner_overview import say
from tests.factories import ThreePeople, login, make_user

MODELS = sorted(admin.site._registry, key=str)


@pytest.fixture
def superuser(people: ThreePeople) -> Client:
    return login(make_user(is_staff=True, is_superuser=True))


def address(model: type[Model], page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_every_list_opens_and_is_searched(model: type[Model], people: ThreePeople, superuser: Client) -> None:
    say(people.project.pairs.earliest("id"), people.judge)
    assert superuser.get(address(model, "changelist")).status_code == 200
    assert superuser.get(address(model, "changelist"), {"q": "a"}).status_code == 200


def test_judgments_are_looked_at_and_nothing_else(people: ThreePeople, superuser: Client) -> None:
    judgment = say(people.project.pairs.earliest("id"), people.judge)
    Rationale.objects.create(judgment=judgment, text="Short.")
    where = address(Judgment, "change", judgment.pk)
    page = superuser.get(where).content.decode()
    assert "Short." in page
    assert superuser.post(where, {"choice": "b"}).status_code == 403
    assert superuser.post(address(Judgment, "delete", judgment.pk), {"post": "yes"}).status_code == 403
    assert superuser.get(address(Judgment, "add")).status_code == 403
    judgment.refresh_from_db()
    assert judgment.choice == "a"


def test_accounts_are_made_by_address(superuser: Client) -> None:
    data = {"email": "New@Example.org", "name": "", "usable_password": "true"}
    data |= {"password1": "seven quiet herons", "password2": "seven quiet herons"}
    assert superuser.post(address(User, "add"), data).status_code == 302
    user = User.objects.get(email="new@example.org")
    assert user.check_password("seven quiet herons")
    assert superuser.get(address(User, "change", user.pk)).status_code == 200


def test_others_go_to_the_ordinary_sign_in(people: ThreePeople) -> None:
    response = Client().get(reverse("admin:login"))
    assert response["Location"].startswith(reverse("account_login"))
    assert login(people.owner).get(reverse("admin:index")).status_code in (302, 403)
