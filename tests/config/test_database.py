"""Connections that are kept between requests: a good one is not asked, one whose server has gone is replaced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from config.database.base import DatabaseWrapper, _lent

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def kept() -> Iterator[BaseDatabaseWrapper]:
    """A connection as the next request finds it."""
    connection = connections.create_connection("default")
    connection.ensure_connection()
    connection.close_if_unusable_or_obsolete()
    connection.health_check_enabled = True
    yield connection
    connection.close()


def backend_of(connection: BaseDatabaseWrapper) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def test_a_good_connection_is_kept_and_not_asked(kept: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    before = kept.connection
    monkeypatch.setattr(kept, "is_usable", lambda: pytest.fail("the server was asked"))
    backend_of(kept)
    assert kept.connection is before


def test_one_that_the_server_has_ended_is_replaced(kept: BaseDatabaseWrapper) -> None:
    first = backend_of(kept)
    kept.close_if_unusable_or_obsolete()
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [first])
        assert cursor.fetchone()[0]
    assert backend_of(kept) != first


def test_one_that_says_something_is_asked_and_kept(kept: BaseDatabaseWrapper) -> None:
    first = backend_of(kept)
    with kept.cursor() as cursor:
        cursor.execute("LISTEN news")
    with connections["default"].cursor() as cursor:
        cursor.execute("NOTIFY news")
    kept.close_if_unusable_or_obsolete()
    assert backend_of(kept) == first


@pytest.fixture
def others() -> Iterator[list[DatabaseWrapper]]:
    """Connections as two more threads have them, not open yet."""
    connections["default"].ensure_connection()  # else it would take what is lent
    made = [connections.create_connection("default") for _ in range(2)]
    yield [each for each in made if isinstance(each, DatabaseWrapper)]
    for each in made:
        each.close()
    assert not _lent


def test_what_is_lent_is_taken_by_the_next(others: list[DatabaseWrapper]) -> None:
    first, second = others
    backend, ends = backend_of(first), first.close_at
    first.lend()
    assert first.connection is None
    assert backend_of(second) == backend
    assert second.close_at == ends
    assert backend_of(first) != backend


def test_one_that_has_died_is_not_taken(others: list[DatabaseWrapper]) -> None:
    first, second = others
    backend = backend_of(first)
    first.lend()
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
    assert backend_of(second) != backend


def test_nothing_is_lent_within_a_transaction(others: list[DatabaseWrapper]) -> None:
    first, _ = others
    backend = backend_of(first)
    first.set_autocommit(False)
    first.lend()
    assert backend_of(first) == backend
    first.rollback()
    first.set_autocommit(True)
