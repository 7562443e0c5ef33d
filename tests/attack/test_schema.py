"""Schemathesis: what the OpenAPI document allows, and what it does not, of every operation; never an error of the server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import strategies as st
from pytest_django.fixtures import Settings
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case
from schemathesis.schemas import APIOperation

from personalization.scorer import client
from tests.annotator.api import Program
from tests.attack.routes import every_route
from tests.attack.victim import Victim, make_victim
from tests.personalization.scorer_server import running_scorer

EXAMPLES = int(os.environ.get("ATTUNE_SCHEMA_EXAMPLES", "8"))
"""Of each operation; ``make bench`` takes more."""
ROUTES = {route.in_schema: route for route in every_route()}


@lru_cache(maxsize=1)
def schema() -> Any:
    document = SchemaGenerator().get_schema(request=None, public=True)
    return schemathesis.openapi.from_dict(document)


def operations() -> dict[str, APIOperation]:
    return {each.ok().label: each.ok() for each in schema().get_all_operations()}


@pytest.fixture(scope="session")
def scorer_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_scorer(tmp_path_factory.mktemp("scorer")) as url:
        yield url


@pytest.fixture
def victim(db: None, scorer_address: str, settings: Settings, tmp_path: Path) -> Iterator[Victim]:
    settings.SCORER_URL = scorer_address
    yield make_victim()
    client.connections(scorer_address).close()
    client.connections.cache_clear()


def send(program: Program, case: Case) -> Any:
    asked = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
    headers = {
        name: value for name, value in asked.headers.items() if name.lower() not in ("content-length", "authorization")
    }
    return program.generic(
        asked.method or "GET",
        asked.path_url,
        asked.body if asked.body is not None else b"",
        content_type=headers.pop("Content-Type", "application/json"),
        headers=headers,
    )


@pytest.mark.parametrize("label", operations())
def test_no_operation_fails(label: str, victim: Victim) -> None:
    operation = operations()[label]
    program = Program(victim.people.owner, victim.people.project)
    real = ROUTES[operation.path].named(victim.slug, victim.objects)

    def of_the_project(case: Case) -> Case:
        if isinstance(case.body, dict) and "project" in case.body:
            case.body["project"] = victim.slug
        return case

    cases = st.one_of(
        operation.as_strategy(GenerationMode.POSITIVE, path_parameters=real).map(of_the_project),
        operation.as_strategy(GenerationMode.NEGATIVE, path_parameters=real),
        operation.as_strategy(GenerationMode.POSITIVE),
    )

    @hypothesis.given(case=cases)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    def check(case: Any) -> None:
        answer = send(program, case)
        assert answer.status_code < 500, (case.as_curl_command(), answer.content[:500])

    check()
