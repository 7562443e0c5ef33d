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


def test_behind_a_pooler_nothing_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    lone = Statement("SELECT %(a)s::int + 40")
    assert lone.run({"a": 2}) == [(42,)]
    assert lone.name not in prepared()


def test_something_may_go_ahead_in_the_same_round_trip() -> None:
    shown = Statement("SELECT current_setting('attune.erase', true), %(a)s::int")
    with CaptureQueriesContext(connection) as queries:
        assert shown.run({"a": 1}, before="SET LOCAL attune.erase = 'off';") == [("off", 1)]
    assert len(queries) == 1


def test_what_goes_wrong_is_a_database_error_as_of_any_query() -> None:
    with pytest.raises(ProgrammingError, match="no_such_table"), transaction.atomic():
        Statement("SELECT * FROM no_such_table WHERE id = %(a)s").run({"a": 1})
    with pytest.raises(DataError), transaction.atomic():
        Statement("SELECT 1 / %(a)s::int").run({"a": 0})
    assert SUM.run({"a": 1, "b": 1}) == [(2, 1, "%")]
