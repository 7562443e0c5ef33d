from __future__ import annotations

import pytest
from django.db import DataError, ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

from annotator.statements import Statement

pytestmark = pytest.mark.django_db

SUM = Statement("SELECT %(a)s::int + %(b)s::int, %(a)s::int %% 2, '%%' FROM generate_series(1, %(b)s::int)")


def prepared() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_prepared_statements")
        return {name for (name,) in cursor.fetchall()}


def test_every_run_gives_the_rows_and_counts_as_one_query() -> None:
    for a in (1, 2):
        with CaptureQueriesContext(connection) as queries:
            assert SUM.run({"a": a, "b": 2}) == [(a + 2, a % 2, "%")] * 2
        assert len(queries) == 1
    assert SUM.name in prepared()


def test_it_is_planned_again_as_tables_may_have_grown() -> None:
    look = Statement("SELECT count(*) FROM pg_class WHERE reltuples > %(a)s")
    planned = set()
    for _ in range(20):
        look.run({"a": 1})
        with connection.cursor() as cursor:
            cursor.execute("SELECT prepare_time FROM pg_prepared_statements WHERE name = %s", [look.name])
            planned |= set(cursor.fetchall())
    assert len(planned) == 3  # at first, after 8 runs, after 16


def test_behind_a_pooler_nothing_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    lone = Statement("SELECT %(a)s::int + 40")
    assert lone.run({"a": 2}) == [(42,)]
    assert lone.name not in prepared()


WAITS = Statement("SELECT current_setting('synchronous_commit'), %(a)s::int")


@pytest.mark.django_db(transaction=True)
def test_a_write_at_leisure_is_one_round_trip_and_leaves_the_connection_as_it_was() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = 'on'")
    with CaptureQueriesContext(connection) as queries:
        assert WAITS.run_at_leisure({"a": 1}) == [("off", 1)]
    assert len(queries) == 1
    assert WAITS.run({"a": 2}) == [("on", 2)]


def test_within_a_transaction_it_waits_as_that_does_and_a_failure_leaves_the_rest() -> None:
    (before,) = WAITS.run({"a": 1})
    assert WAITS.run_at_leisure({"a": 1}) == [before]
    with pytest.raises(DataError):
        Statement("SELECT 1 / %(a)s::int").run_at_leisure({"a": 0})
    assert WAITS.run({"a": 1}) == [before]


def test_what_goes_wrong_is_a_database_error_as_of_any_query() -> None:
    with pytest.raises(ProgrammingError, match="no_such_table"), transaction.atomic():
        Statement("SELECT * FROM no_such_table WHERE id = %(a)s").run({"a": 1})
    with pytest.raises(DataError), transaction.atomic():
        Statement("SELECT 1 / %(a)s::int").run({"a": 0})
    assert SUM.run({"a": 1, "b": 1}) == [(2, 1, "%")]
