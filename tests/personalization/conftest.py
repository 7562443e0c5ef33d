"""A project with a live model, an owner with a token, and a scorer where a test asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django.fixtures import Settings

from annotator.models import Annotator, Pair, Project, User
from annotator.services.tokens import issue_token
from personalization.scorer import client
from tests.factories import ThreePeople
from tests.personalization.scorer_server import running_scorer
from tests.personalization.worlds import make_pairs, make_version, responses_of
from training.serving import ServedVersion


@dataclass(frozen=True)
class World:
    """The three people of a project with six pairs whose responses a live model knows, and five that it does not."""

    people: ThreePeople
    pairs: list[Pair]
    version: ServedVersion

    @property
    def project(self) -> Project:
        return self.people.project

    @property
    def judge(self) -> Annotator:
        return self.people.judge


@pytest.fixture
def world(people: ThreePeople) -> World:
    pairs = make_pairs(people.project, 6)
    return World(people, pairs, make_version(people.project, responses_of(pairs)))


class Api:
    """A caller with a token."""

    def __init__(self, user: User, scopes: tuple[str, ...] = ("score", "read"), project: Project | None = None) -> None:
        _, self.token = issue_token(user=user, name="Test", scopes=scopes, project=project)
        self.client = Client(headers={"Authorization": f"Bearer {self.token}"})

    def score(self, body: object, **headers: str) -> Any:
        return self.post("score", body, **headers)

    def post(self, path: str, body: object, **headers: str) -> Any:
        return self.client.post(f"/api/v1/{path}", body, content_type="application/json", headers=headers)

    def get(self, path: str) -> HttpResponse:
        return self.client.get(f"/api/v1/{path}")  # type: ignore[return-value]


@pytest.fixture
def owner_api(world: World) -> Api:
    return Api(world.people.owner)


@pytest.fixture(scope="session")
def scorer_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_scorer(tmp_path_factory.mktemp("scorer")) as url:
        yield url


@pytest.fixture
def scorer(scorer_url: str, settings: Settings) -> Iterator[str]:
    """Web code finds a running scorer."""
    settings.SCORER_URL = scorer_url
    yield scorer_url
    client.connections(scorer_url).close()
    client.connections.cache_clear()
