"""Skipping the preparation: only for exactly this code and this database."""

from __future__ import annotations

from pathlib import Path

import psycopg2
import pytest

from config.local import prepare
from config.local.postgres import EmbeddedPostgres

APPLY = "INSERT INTO django_migrations (app, name, applied) VALUES ('annotator', %s, now())"


@pytest.fixture
def stamped(postgres: EmbeddedPostgres, tmp_path: Path) -> Path:
    """A home whose stamp fits the database as it is now."""
    with psycopg2.connect(postgres.url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS django_migrations (id serial, app text, name text, applied date)")
    connection.close()
    prepare._stamp_file(tmp_path).write_text(str(prepare._stamp(postgres.url)))
    return tmp_path


def test_nothing_to_do_when_nothing_changed(stamped: Path, postgres: EmbeddedPostgres) -> None:
    assert prepare.is_prepared(stamped, postgres.url)


def test_a_first_start_and_an_absent_database_need_preparation(tmp_path: Path, postgres: EmbeddedPostgres) -> None:
    assert not prepare.is_prepared(tmp_path, postgres.url)
    prepare._stamp_file(tmp_path).write_text("None")
    assert not prepare.is_prepared(tmp_path, "postgres://attune@127.0.0.1:9/attune")


def test_a_migration_by_hand_or_another_database_needs_preparation(stamped: Path, postgres: EmbeddedPostgres) -> None:
    with psycopg2.connect(postgres.url) as connection, connection.cursor() as cursor:
        cursor.execute(APPLY, ["0002_by_hand"])
    connection.close()
    assert not prepare.is_prepared(stamped, postgres.url)
    assert not prepare.is_prepared(stamped, postgres.url.replace("/attune", "/postgres"))


def test_new_code_needs_preparation(
    stamped: Path, postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "annotator" / "migrations").mkdir(parents=True)
    (tmp_path / "annotator" / "migrations" / "0001_initial.py").write_text("operations = []")
    monkeypatch.setattr(prepare, "CHECKOUT", tmp_path)
    assert not prepare.is_prepared(stamped, postgres.url)
