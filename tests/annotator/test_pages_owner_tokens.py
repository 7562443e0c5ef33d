"""Tokens: shown once, tried at once, replaced, revoked."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import ApiToken, AuditEntry, Role
from annotator.services.tokens import issue_token
from tests.factories import ThreePeople, login, make_member

FORM = {"name": "nightly export", "scopes": ["read"], "days": "90"}


def page_of(people: ThreePeople) -> str:
    return reverse("tokens", args=[people.project.slug])


def issue(client: Client, people: ThreePeople, **data: object) -> tuple[str, str]:
    """The new token's text and the page that shows it."""
    page = client.post(page_of(people), FORM | data).content.decode()
    found = re.search(r'id="fresh-token" value="([^"]+)"', page)
    assert found, page
    return found[1], page


def test_a_token_is_shown_once_and_works(people: ThreePeople, owner_client: Client) -> None:
    plain, page = issue(owner_client, people)
    assert f"Bearer {plain}" in page
    again = owner_client.get(page_of(people)).content.decode()
    assert "nightly export" in again
    assert plain not in again
    token = ApiToken.objects.get()
    assert token.project == people.project
    assert plain not in token.digest
    response = Client().get(
        reverse("api_project", args=[people.project.slug]), headers={"Authorization": f"Bearer {plain}"}
    )
    assert response.status_code == 200
    assert AuditEntry.objects.get().what == "token issued"


@pytest.mark.parametrize(
    ("scopes", "line"), [(["read"], "/api/v1/projects/"), (["write"], "/next"), (["score"], "/api/v1/score")]
)
def test_the_line_to_try_it_fits_its_scopes(
    scopes: list[str], line: str, people: ThreePeople, owner_client: Client
) -> None:
    _, page = issue(owner_client, people, scopes=scopes)
    assert line in page.split('id="fresh-curl"')[1].split("</pre>")[0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"name": ""}, "required"),
        ({"scopes": []}, "required"),
        ({"scopes": ["root"]}, "not one of the available"),
        ({"days": "-1"}, "not one of the available"),
        ({"name": "x" * 121}, "at most 120"),
    ],
)
def test_bad_tokens_are_refused_by_field(
    data: dict[str, object], reason: str, people: ThreePeople, owner_client: Client
) -> None:
    response = owner_client.post(page_of(people), FORM | data)
    assert response.status_code == 422
    assert reason in response.content.decode()
    assert not ApiToken.objects.exists()


def test_everywhere_and_without_end(people: ThreePeople, owner_client: Client) -> None:
    issue(owner_client, people, everywhere="on", days="0")
    token = ApiToken.objects.get()
    assert token.project is None
    assert token.expiry is None


def test_a_replaced_token_stops_working(people: ThreePeople, owner_client: Client) -> None:
    old, _ = issue(owner_client, people)
    key = ApiToken.objects.get().token_key
    page = owner_client.post(reverse("token_rotate", args=[people.project.slug, key])).content.decode()
    fresh = re.search(r'id="fresh-token" value="([^"]+)"', page)
    assert fresh
    where = reverse("api_project", args=[people.project.slug])
    statuses = [
        Client().get(where, headers={"Authorization": f"Bearer {plain}"}).status_code for plain in (old, fresh[1])
    ]
    assert statuses == [401, 200]


def test_owners_revoke_the_projects_tokens_but_not_each_others(people: ThreePeople, owner_client: Client) -> None:
    other = make_member(people.project, role=Role.OWNER)
    theirs, _ = issue_token(user=other, name="theirs", scopes=["read"], project=people.project)
    wide, _ = issue_token(user=other, name="wide", scopes=["read"])
    page = owner_client.get(page_of(people)).content.decode()
    assert "theirs" in page
    assert "wide" not in page
    slug = people.project.slug
    assert owner_client.post(reverse("token_rotate", args=[slug, theirs.token_key])).status_code == 404
    assert owner_client.post(reverse("token_revoke", args=[slug, wide.token_key])).status_code == 404
    assert owner_client.post(reverse("token_revoke", args=[slug, theirs.token_key])).status_code == 302
    assert list(ApiToken.objects.all()) == [wide]


def test_nobody_else_reaches_the_tokens(people: ThreePeople, annotator_client: Client) -> None:
    token, _ = issue_token(user=people.owner, name="mine", scopes=["read"], project=people.project)
    viewer = login(make_member(people.project, role=Role.VIEWER))
    for name in ("token_rotate", "token_revoke"):
        where = reverse(name, args=[people.project.slug, token.token_key])
        found = [client.post(where).status_code for client in (viewer, annotator_client, login(people.stranger))]
        assert found == [403, 403, 404]
    assert ApiToken.objects.filter(pk=token.pk).exists()
