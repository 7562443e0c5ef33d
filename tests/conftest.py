"""Fixtures for every test: the three people, and a client for each."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.factories import ThreePeople, login, make_people


@pytest.fixture
def people(db: None) -> ThreePeople:
    """An owner, an annotator and a stranger, with five pairs to judge."""
    return make_people(pairs=5)


@pytest.fixture
def owner_client(people: ThreePeople) -> Client:
    return login(people.owner)


@pytest.fixture
def annotator_client(people: ThreePeople) -> Client:
    return login(people.annotator)


@pytest.fixture
def stranger_client(people: ThreePeople) -> Client:
    return login(people.stranger)
