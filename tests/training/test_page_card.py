"""The card that the project's overview loads: what the live version reaches."""

from __future__ import annotations

from django.test import Client

from tests.factories import ThreePeople
from tests.training.makers import make_version
from tests.training.test_pages import PERSONAL, address, people, version  # noqa: F401 (fixtures)
from training.models import ModelVersion
from training.registry import promote


def test_the_card_names_the_live_version_and_its_gain(
    people: ThreePeople,  # noqa: F811
    version: ModelVersion,  # noqa: F811
    owner_client: Client,
) -> None:
    address_of_card = address("models_card", people.project)
    assert "No model serves yet" in owner_client.get(address_of_card).content.decode()
    promote(version=version, by=people.owner, reason="better")
    html = owner_client.get(address_of_card).content.decode()
    assert version.label in html
    assert "65.0\xa0%" in html
    make_version(people.project, **PERSONAL)
    assert version.label in owner_client.get(address_of_card).content.decode()


def test_the_overview_asks_for_it(people: ThreePeople, owner_client: Client) -> None:  # noqa: F811
    overview = owner_client.get(address("project", people.project)).content.decode()
    assert f'hx-get="{address("models_card", people.project)}"' in overview


def test_only_those_who_read_the_project_see_it(
    people: ThreePeople,  # noqa: F811
    annotator_client: Client,
    stranger_client: Client,
) -> None:
    assert annotator_client.get(address("models_card", people.project)).status_code == 403
    assert stranger_client.get(address("models_card", people.project)).status_code == 404
