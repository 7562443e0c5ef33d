"""Parameters and fields that nobody has asked for are refused, whoever sends them and wherever."""

from __future__ import annotations

from typing import Any

import pytest

from annotator.models import User
from tests.annotator.api import Program, refused
from tests.attack.routes import Route, every_route
from tests.attack.victim import Victim, everything, make_victim

pytestmark = pytest.mark.django_db

OURS = [route for route in every_route() if route.template.startswith("api/v1/")]
PROBES = (
    "a__b__password",
    "user__password",
    "annotator__user__email__startswith",
    "project_id",
    "order_by",
    "format__x",
)


@pytest.fixture
def victim(db: None) -> Victim:
    return make_victim()


@pytest.fixture
def owner(victim: Victim) -> Program:
    return Program(victim.people.owner, victim.people.project)


def ask(program: Program, route: Route, method: str, victim: Victim, query: str, body: bytes = b"") -> Any:
    address = route.address(victim.slug, victim.objects) + query
    headers = {"Idempotency-Key": "once", "If-Match": "*"}
    return program.generic(method, address, body, content_type="application/json", headers=headers)


@pytest.mark.parametrize("probe", PROBES)
def test_filters_are_those_that_are_allowed(probe: str, victim: Victim, owner: Program) -> None:
    before = everything()
    found = {}
    for route in OURS:
        for method in route.methods:
            answer = ask(owner, route, method, victim, f"?{probe}=x", b"{}" if method != "GET" else b"")
            if answer.status_code != 400 or probe not in answer.json()["detail"]:
                found[method, route.template] = (answer.status_code, answer.content[:200])
    assert not found
    assert everything() == before


def test_fields_are_those_that_are_known(victim: Victim, owner: Program) -> None:
    before = everything()
    found = {}
    for route in (each for each in OURS if not each.template.endswith("imports")):  # whose body is a file
        for method in set(route.methods) - {"GET", "DELETE"}:
            answer = ask(owner, route, method, victim, "", b'{"is_superuser": true}')
            if answer.status_code not in (400, 422) or b"is_superuser" not in answer.content:
                found[method, route.template] = answer.status_code
    assert not "\n".join(map(str, found.items()))
    assert everything() == before


def test_nobody_makes_themselves_more(victim: Victim, owner: Program) -> None:
    body = {"name": "x", "scopes": ["read"], "user": 1, "user_id": 1, "digest": "0"}
    refused(owner.send("POST", "tokens", body), 422, "user", "user_id", "digest")
    assert not User.objects.filter(is_superuser=True).exists()
