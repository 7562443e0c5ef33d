"""The API's reference page and the schema it comes from."""

import re

import pytest
from django.test import Client

from config.reference import sections

pytestmark = pytest.mark.django_db


def test_every_route_is_there_with_its_fields() -> None:
    html = Client().get("/api/docs/").content.decode()
    for operation in (each for section in sections() for each in section.operations):
        assert f'id="{operation.anchor}"' in html
        assert operation.path in html
    score = next(o for s in sections() for o in s.operations if o.path == "/api/v1/score")
    assert {"project", "user", "prompt", "completions"} <= {field.name for field in score.body}
    assert "data[].score" in {field.name for reply in score.replies for field in reply.fields}


def test_nothing_is_loaded_from_elsewhere() -> None:
    reply = Client().get("/api/docs/")
    assert reply.status_code == 200
    assert not re.search(r"(src|href|action|url\()\W{0,2}https?://", reply.content.decode())


def test_schema_is_openapi_3_1() -> None:
    reply = Client().get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert reply.json()["openapi"].startswith("3.1")
