"""Bring the database and the static files up to date, and know cheaply when there is nothing to do.

A stamp in `$ATTUNE_HOME` remembers the code and the database it was made for: migration and static files by name,
size and time, the time of the last installation, and the database's identity with its last migration.
"""

import hashlib
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import psycopg2

from config.local.folders import CHECKOUT
from config.local.home import attune_home

_IDENTITY = "SELECT system_identifier, current_database() FROM pg_control_system()"
_APPLIED = "SELECT count(*), max(id) FROM django_migrations"


def is_prepared(home: Path, database_url: str) -> bool:
    """Whether the last preparation was for exactly this code and this database."""
    stamp = _stamp_file(home)
    return stamp.exists() and stamp.read_text() == _stamp(database_url)


def prepare() -> None:
    """Migrate and collect static files in this process, then set the stamp. Needs the settings' environment."""
    import django  # here, so that the supervisor, which only asks, does not load it
    from django.core.management import call_command

    django.setup()
    call_command("migrate", interactive=False, verbosity=1)
    call_command("collectstatic", interactive=False, verbosity=0)
    home = attune_home()
    _stamp_file(home).write_text(_stamp(os.environ["DATABASE_URL"]) or "")


def _stamp_file(home: Path) -> Path:
    return home / "prepared"


def _stamp(database_url: str) -> str | None:
    """The digest, or None for a database that has no migrations yet or does not tell its identity."""
    identity, applied = database_identity(database_url), _ask(database_url, _APPLIED)
    if identity is None or applied is None:
        return None
    packages = Path(sysconfig.get_path("purelib")).stat().st_mtime_ns  # moves with every package put in or taken out
    lines = (identity, applied, *_files(), f"packages: {packages}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def database_identity(database_url: str) -> str | None:
    """What tells this database from any other, or None when the server does not say."""
    return _ask(database_url, _IDENTITY)


def _ask(database_url: str, question: str) -> str | None:
    try:
        with psycopg2.connect(database_url, connect_timeout=5) as connection, connection.cursor() as cursor:
            cursor.execute(question)
            return str(cursor.fetchone())
    except psycopg2.Error:
        return None


def _files() -> Iterator[str]:
    """One line for each file that preparation depends on or makes."""
    found = [*CHECKOUT.glob("*/migrations/*.py"), *(CHECKOUT / "static").rglob("*")]
    for path in sorted(found):
        status = path.stat()
        yield f"{path.relative_to(CHECKOUT)} {status.st_size} {status.st_mtime_ns}"
    yield f"collected: {(CHECKOUT / 'staticfiles' / 'staticfiles.json').exists()}"


if __name__ == "__main__":
    prepare()
