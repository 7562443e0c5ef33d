"""Fixtures for every test: the three people, and a client for each."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.test import Client
from django.utils import translation

from tests.factories import ThreePeople, login, make_people

# Processes that tests start compute with one thread, too: with several, two at a time wait for each other more than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")


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


@pytest.fixture(autouse=True)
def _own_language() -> Iterator[None]:
    """A request in another language leaves it active in its thread until the next request."""
    yield
    translation.deactivate()
