"""Who gets in with which token, and what it is good for."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from annotator.errors import Invalid
from annotator.models import ApiToken, AuditEntry
from annotator.services.tokens import issue_token, revoke_token, rotate_token
from tests.factories import ThreePeople, make_member, make_project

pytestmark = pytest.mark.django_db


def token(people: ThreePeople, *scopes: str, **options: object) -> tuple[ApiToken, str]:
    return issue_token(user=people.owner, name="Laptop", scopes=scopes or ["read", "write"], **options)  # type: ignore[arg-type]


def status(authorization: str, where: str = "/api/v1/projects") -> int:
    return Client().get(where, headers={"Authorization": authorization}).status_code


def test_only_the_hash_is_kept_and_the_prefix_shown(people: ThreePeople) -> None:
    row, plain = token(people, "write", "read")
    assert plain.startswith(row.token_key)
    assert plain not in str(ApiToken.objects.values().get())
    assert (row.scopes, row.expiry, str(row)) == (["read", "write"], None, f"Laptop ({plain[:15]}…)")
    assert AuditEntry.objects.get().about["key"] == plain[:15]


@pytest.mark.parametrize("scheme", ["Bearer {}", "bearer {}", "Basic {}"])
def test_bearer_and_basic(people: ThreePeople, scheme: str) -> None:
    _, plain = token(people)
    credentials = plain if "earer" in scheme else base64.b64encode(f"token:{plain}".encode()).decode()
    assert status(scheme.format(credentials)) == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Bearer a b",
        "Bearer \u00e9",
        "Basic nonsense!",
        "Basic dG9rZW4=",
        "Digest x",
    ],
)
def test_nobody_else_gets_in(people: ThreePeople, authorization: str) -> None:
    response = Client().get("/api/v1/projects", headers={"Authorization": authorization.encode().decode("latin-1")})
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="Attune"'
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 401


def test_a_login_is_no_token(owner_client: Client) -> None:
    assert owner_client.get("/api/v1/projects").status_code == 401


def test_expired_revoked_and_of_a_closed_account(people: ThreePeople) -> None:
    row, plain = token(people, expires=timezone.now() + timedelta(hours=1))
    assert status(f"Bearer {plain}") == 200
    ApiToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    assert status(f"Bearer {plain}") == 401
    ApiToken.objects.update(expiry=None)
    people.owner.is_active = False
    people.owner.save()
    assert status(f"Bearer {plain}") == 401
    people.owner.is_active = True
    people.owner.save()
    assert status(f"Bearer {plain}") == 200
    revoke_token(token=row, by=people.owner)
    assert status(f"Bearer {plain}") == 401


def test_rotation_changes_the_secret_and_nothing_else(people: ThreePeople) -> None:
    old, old_plain = token(people, "read", project=people.project)
    new, new_plain = rotate_token(token=old, by=people.owner)
    assert (new.name, new.scopes, new.project, new.user) == (old.name, ["read"], people.project, people.owner)
    assert (status(f"Bearer {old_plain}"), status(f"Bearer {new_plain}")) == (401, 200)


def test_use_is_noted_once_a_minute(people: ThreePeople) -> None:
    row, plain = token(people)
    status(f"Bearer {plain}")
    row.refresh_from_db()
    first = row.last_used_at
    assert first is not None
    status(f"Bearer {plain}")
    row.refresh_from_db()
    assert row.last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(minutes=2))
    status(f"Bearer {plain}")
    row.refresh_from_db()
    assert row.last_used_at is not None
    assert row.last_used_at >= first


def test_a_token_for_one_project(people: ThreePeople) -> None:
    other = make_project()
    make_member(other, people.owner)
    _, plain = token(people, "read", project=people.project)
    client = Client(headers={"Authorization": f"Bearer {plain}"})
    assert [row["slug"] for row in client.get("/api/v1/projects").json()["results"]] == [people.project.slug]
    assert client.get(f"/api/v1/projects/{people.project.slug}").status_code == 200
    assert client.get(f"/api/v1/projects/{other.slug}").status_code == 404


@pytest.mark.parametrize(
    ("scopes", "reading", "asking"), [(["read"], 200, 403), (["write"], 403, 200), (["score"], 403, 403)]
)
def test_scopes(people: ThreePeople, scopes: list[str], reading: int, asking: int) -> None:
    _, plain = token(people, *scopes)
    where = f"/api/v1/projects/{people.project.slug}"
    assert status(f"Bearer {plain}", where) == reading
    assert status(f"Bearer {plain}", f"{where}/next") == asking


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["admin"]}, "scopes"),
        ({"expires": timezone.now()}, "expires"),
    ],
)
def test_tokens_that_can_not_be_issued(people: ThreePeople, wrong: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        issue_token(user=people.owner, **{"name": "Laptop", "scopes": ["read"]} | wrong)  # type: ignore[arg-type]
    assert set(caught.value.fields) == {field}
    assert not ApiToken.objects.exists()
