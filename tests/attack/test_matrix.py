"""Every address × everybody who has no business there × what is another project's: it does not exist.

The addresses are the resolver's, so a new one fails here until it is covered: one of a project by itself, one that names a
new kind of thing by an object of that kind in ``victim``, one of no project by a line in ``ELSEWHERE``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from django.test import Client

from annotator.models import Project, Role, User
from tests.annotator.api import Program
from tests.attack.routes import Route, every_route
from tests.attack.victim import Victim, everything, make_victim
from tests.factories import login, make_annotator, make_member, make_project, make_user

pytestmark = pytest.mark.django_db

ROUTES = every_route()
OF_PROJECT = [route for route in ROUTES if route.of_project]
PUBLIC = {"livez", "readyz", "api/schema/", "api/docs/", "join/<str:token>/"}
OWN = {
    "",
    "account/",
    "account/theme/",
    "account/reading/",
    "account/keys/",
    "account/delete/",
    "projects/new/",
    "erasures/<uuid:key>/",
} | {
    f"api/v1/{name}"
    for name in (
        "token",
        "tokens",
        "tokens/<str:key>",
        "tokens/<str:key>/rotate",
        "logins/<str:email>",
        "projects",
        "models",
    )
}
"""About the caller alone, or about nobody."""
SCORING = ("score", "score/batch", "score/population", "rank", "best-of-n", "compare")
DROP_IN = (
    "openrlhf",
    "get_reward",
    "classify",
    "score",
    "v1/score",
    "rerank",
    "v1/rerank",
    "v2/rerank",
    "predict",
    "v1/embeddings",
)
NAMED_IN_BODY = {f"api/v1/{name}" for name in SCORING} | set(DROP_IN) | {f"u/<str:who>/{name}" for name in DROP_IN}
GONE = 404
NOT_THERE = {404, 405}


class Caller:
    """Somebody with a browser and a program (with neither login nor token: nobody)."""

    def __init__(self, user: User | None, project: Project, *, only: Project | None = None) -> None:
        self.browser = login(user) if user else Client()
        self.program = Program(user, project, **{"project": only} if only else {}) if user else Client()

    def ask(self, route: Route, method: str, address: str, body: object = None) -> Any:
        if not route.is_api:
            return self.browser.generic(method, address)
        headers = {"Idempotency-Key": "the-same"}
        return self.program.generic(
            method, address, orjson.dumps(body or {}), content_type="application/json", headers=headers
        )


@pytest.fixture
def victim(db: None) -> Victim:
    return make_victim()


@pytest.fixture
def unchanged(victim: Victim) -> Iterator[Callable[[], None]]:
    """Called once everybody is there: no row is any different afterwards."""
    before: dict[str, Any] = {}

    def remember() -> None:
        before.update(everything())

    yield remember
    assert before, "remember the rows once everybody is there"
    assert everything() == before


def member_elsewhere(role: Role) -> tuple[User, Project]:
    project = make_project()
    user = make_member(project, make_user(), role)
    make_annotator(project, user)
    return user, project


def every(routes: list[Route]) -> Iterator[tuple[Route, str]]:
    return ((route, method) for route in routes for method in route.methods)


def test_every_address_is_covered(victim: Victim) -> None:
    rest = {route.template for route in ROUTES if not route.of_project}
    assert rest == PUBLIC | OWN | NAMED_IN_BODY, "say in this file whose these are"
    unknown = {each for route in OF_PROJECT for each in route.parameters} - set(victim.objects)
    assert not unknown, "make one of these in victim.py"
    assert len(OF_PROJECT) > 90


def test_nobody(victim: Victim, unchanged: Callable[[], None]) -> None:
    unchanged()
    caller = Caller(None, victim.people.project)
    private = [route for route in ROUTES if route.template not in PUBLIC]
    values = {**victim.objects, "u:str": victim.slug}
    found = {}
    for route, method in every(private):
        address = route.address(victim.slug, values)
        answer = caller.ask(route, method, address)
        to_login = answer.status_code == 302 and answer["Location"].startswith("/accounts/login/")
        if not (answer.status_code in {401, 405} if route.is_api else to_login or answer.status_code == 405):
            found[method, address] = answer.status_code
    assert not found


@pytest.mark.parametrize("role", [None, *Role])
def test_another_projects_addresses(role: Role | None, victim: Victim, unchanged: Callable[[], None]) -> None:
    user, project = member_elsewhere(role) if role else (make_user(), victim.people.elsewhere)
    caller = Caller(user, project)
    unchanged()
    found = {}
    for route, method in every(OF_PROJECT):
        address = route.address(victim.slug, victim.objects)
        status = caller.ask(route, method, address).status_code
        if status not in NOT_THERE:
            found[method, address] = status
    assert not found


def test_a_token_of_one_project_sees_no_other(victim: Victim, unchanged: Callable[[], None]) -> None:
    owner = victim.people.owner
    own = make_project()
    make_member(own, owner, Role.OWNER)
    caller = Caller(owner, own, only=own)
    unchanged()
    found = {}
    for route, method in every([each for each in OF_PROJECT if each.is_api]):
        address = route.address(victim.slug, victim.objects)
        status = caller.ask(route, method, address).status_code
        if status != GONE:
            found[method, address] = status
    assert not found


@pytest.mark.parametrize("role", Role)
def test_another_projects_things_under_an_own_address(
    role: Role, victim: Victim, unchanged: Callable[[], None]
) -> None:
    user, project = member_elsewhere(role)
    caller = Caller(user, project)
    unchanged()
    may_not = {403} if role != Role.OWNER else set()
    found = {}
    for route, method in every([each for each in OF_PROJECT if each.parameters]):
        address = route.address(project.slug, victim.objects)
        status = caller.ask(route, method, address).status_code
        if status not in NOT_THERE | may_not:
            found[method, address] = status
    assert not found


def test_things_of_others_in_the_same_project(victim: Victim, unchanged: Callable[[], None]) -> None:
    """Annotators reach their own judgments, imports and tokens only."""
    project = victim.people.project
    other = make_member(project)
    make_annotator(project, other)
    caller = Caller(other, project)
    unchanged()
    found = {}
    for route, method in every([each for each in OF_PROJECT if each.parameters]):
        address = route.address(project.slug, victim.objects)
        status = caller.ask(route, method, address).status_code
        if status not in NOT_THERE | {403}:
            found[method, address] = status
    assert not found
    seen = caller.program.get("/api/v1/tokens").json()["results"]
    assert victim.objects["tokens:str"] not in {token["key"] for token in seen}


def in_bodies(victim: Victim) -> dict[str, tuple[str, Any]]:
    """By address below an own project: what names things of the victim's in its body."""
    pair = victim.pair
    named = {"prompt": pair.prompt.ref, "response_a": pair.response_a.ref, "response_b": pair.response_b.ref}
    judgment = {"assignment": victim.assignment, "choice": "a"}
    ref = victim.objects["annotators:path"]
    return {
        "pins": ("PUT", {**named, "annotators": [ref]}),
        "gold": ("PUT", {**named, "answer": "a"}),
        "decisions": ("PUT", {**named, "answer": "a"}),
        "pairs": ("POST", named),
        "judgments": ("POST", judgment),
        "policies/runs": ("POST", {"scope": "annotator", "annotator": ref}),
    }


def test_things_named_in_a_body(victim: Victim, unchanged: Callable[[], None]) -> None:
    user, project = member_elsewhere(Role.OWNER)
    program = Program(user, project)
    unchanged()
    for path, (method, body) in in_bodies(victim).items():
        answer = program.send(method, f"/{path}", body)
        assert answer.status_code in (404, 422), (path, answer.status_code, answer.content)
        assert b"Unknown field" not in answer.content, (path, answer.content)


def scoring_bodies(slug: str) -> Iterator[tuple[str, dict[str, Any]]]:
    one = {"prompt": "How?", "completions": ["So."]}
    of = {"project": slug}
    yield "score", {**of, **one}
    yield "score/batch", {**of, "items": [one]}
    yield "score/population", {**of, **one, "population": {}}
    yield "rank", {**of, **one}
    yield "best-of-n", {**of, "items": [one]}
    yield "compare", {**of, "prompt": "How?", "response_a": "So.", "response_b": "Thus."}


def drop_in_bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    both = "Human: How?\n\nAssistant: So."
    yield from ((name, {"query": [both], "prompts": ["How?"]}) for name in ("openrlhf", "get_reward"))
    yield from ((name, {"input": both}) for name in ("classify", "v1/embeddings"))
    yield from ((name, {"text_1": "How?", "text_2": "So."}) for name in ("score", "v1/score"))
    yield from ((name, {"query": "How?", "documents": ["So."]}) for name in ("rerank", "v1/rerank", "v2/rerank"))
    yield "predict", {"inputs": both}


@pytest.mark.parametrize("role", Role)
def test_rewards_of_another_project(role: Role, victim: Victim, unchanged: Callable[[], None]) -> None:
    user, project = member_elsewhere(role)
    program = Program(user, project)
    unchanged()
    asked = [(f"/api/v1/{name}", body) for name, body in scoring_bodies(victim.slug)]
    asked += [(f"/{name}", {**body, "model": victim.slug}) for name, body in drop_in_bodies()]
    asked += [(f"/u/{victim.slug}:{name}/{path}", body) for name in ("somebody",) for path, body in drop_in_bodies()]
    assert {path.strip("/").replace(f"u/{victim.slug}:somebody", "u/<str:who>") for path, _ in asked} == NAMED_IN_BODY
    found = {}
    for path, body in asked:
        answer = program.generic("POST", path, orjson.dumps(body), content_type="application/json")
        if answer.status_code != GONE:
            found[path] = (answer.status_code, answer.content)
    assert not found


@pytest.mark.parametrize("role", Role)
def test_logins_of_others(role: Role, victim: Victim, unchanged: Callable[[], None]) -> None:
    user, project = member_elsewhere(role)
    program = Program(user, project)
    unchanged()
    assert program.send("DELETE", f"logins/{victim.objects['logins:str']}").status_code == GONE


def test_tokens_of_others(victim: Victim, unchanged: Callable[[], None]) -> None:
    user, project = member_elsewhere(Role.OWNER)
    program = Program(user, project)
    unchanged()
    key = victim.objects["tokens:str"]
    assert program.send("DELETE", f"tokens/{key}").status_code == GONE
    assert program.send("POST", f"tokens/{key}/rotate", {}).status_code == GONE
