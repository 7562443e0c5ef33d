"""Tokens through the API: never more than the one that makes them; rotation with an overlap; rates."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from pytest_django import Settings

from annotator.models import ApiToken, AuditEntry
from tests.annotator.api import Program, refused
from tests.factories import ThreePeople

pytestmark = pytest.mark.django_db


def bearer(plain: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {plain}"})


def test_issued_listed_used_rotated_revoked(people: ThreePeople) -> None:
    owner = Program(people.owner, people.project)
    made = owner.ok(
        "POST", "tokens", {"name": "trainer", "scopes": ["score", "read"], "project": people.project.slug}, status=201
    )
    assert (made["project"], made["scopes"], made["last_used_at"]) == (people.project.slug, ["score", "read"], None)
    client = bearer(made["token"])
    assert client.get("/api/v1/token").json()["name"] == "trainer"
    rows = owner.ok("GET", "tokens")["results"]
    assert {row["name"] for row in rows} == {"test", "trainer"}
    assert all("token" not in row for row in rows)
    assert next(row for row in rows if row["name"] == "trainer")["last_used_at"] is not None
    fresh = owner.ok("POST", f"tokens/{made['key']}/rotate", {"overlap_seconds": 600})
    assert bearer(fresh["token"]).get("/api/v1/token").status_code == 200
    assert client.get("/api/v1/token").status_code == 200  # for ten minutes
    end = ApiToken.objects.get(token_key=made["key"]).expiry
    assert end is not None
    assert timedelta(seconds=590) < end - timezone.now() <= timedelta(seconds=600)
    again = owner.ok("POST", f"tokens/{fresh['key']}/rotate", {})
    assert bearer(fresh["token"]).get("/api/v1/token").status_code == 401
    assert owner.send("DELETE", f"tokens/{again['key']}").status_code == 204
    assert bearer(again["token"]).get("/api/v1/token").status_code == 401
    assert AuditEntry.objects.filter(what__startswith="token").count() >= 4


def test_never_more_than_its_maker(people: ThreePeople) -> None:
    end = timezone.now() + timedelta(days=1)
    maker = Program(people.owner, people.project, "read", "manage", project=people.project, expires=end, rate_limit=10)
    body = {"name": "x", "scopes": ["read"], "expires_at": (end - timedelta(hours=1)).isoformat(), "rate_limit": 5}
    made = maker.ok("POST", "tokens", body, status=201)
    assert (made["project"], made["rate_limit"]) == (people.project.slug, 5)
    expires = parse_datetime(made["expires_at"])
    assert expires is not None
    assert expires < end
    refused(maker.send("POST", "tokens", body | {"scopes": ["read", "write"]}), 422, "scopes")
    refused(maker.send("POST", "tokens", body | {"project": "other"}), 422, "project")
    refused(maker.send("POST", "tokens", body | {"expires_at": None}), 422, "expires_at")
    refused(maker.send("POST", "tokens", body | {"rate_limit": None}), 422, "rate_limit")
    wide = Program(people.owner, people.project)
    refused(maker.send("DELETE", f"tokens/{wide.token.token_key}"), 404)
    stranger = Program(people.stranger, people.project)
    refused(wide.send("DELETE", f"tokens/{stranger.token.token_key}"), 404)
    refused(Program(people.owner, people.project, "read", "write").send("GET", "tokens"), 403)
    refused(stranger.send("POST", "tokens", {"name": "x", "scopes": ["read"], "project": people.project.slug}), 404)


def test_a_rate_for_each_token(people: ThreePeople, settings: Settings) -> None:
    slow, other = (Program(people.owner, people.project, rate_limit=3), Program(people.owner, people.project))
    answers = [slow.send("GET", "token") for _ in range(5)]
    statuses = [answer.status_code for answer in answers]
    assert statuses in ([200, 200, 200, 429, 429], [200] * 5)  # the minute may turn in between
    assert answers[0]["RateLimit-Limit"] == "3"
    if statuses[-1] == 429:
        refused(answers[-1], 429)
        assert 1 <= int(answers[-1]["Retry-After"]) <= 60
        assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0", "0"]
    assert other.send("GET", "token").status_code == 200
    settings.API_REQUESTS_PER_MINUTE = 0
    assert "RateLimit-Limit" not in other.send("GET", "token")
