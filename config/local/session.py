"""Django for a command: over the servers of a running `attune up`, or over its own Postgres while the command runs."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path

from config.local import postgres, supervisor, valkey
from config.local.folders import servers_folder
from config.local.home import attune_home, prepare_home
from config.local.prepare import is_prepared, prepare
from config.local.table import scorer_socket

LOCAL_SETTINGS = "config.settings.local"


@contextmanager
def local_django() -> Iterator[None]:
    """Set Django up; models can be imported inside. Whatever the environment names is used as it is.

    Raises LocalError when the embedded database cannot start.
    """
    import django  # the supervisor's commands never need it
    from django.apps import apps

    with ExitStack() as stack:
        if not apps.ready:
            if os.environ.setdefault("DJANGO_SETTINGS_MODULE", LOCAL_SETTINGS) == LOCAL_SETTINGS:
                _point_at_local_servers(stack)
            django.setup()
        yield


def _point_at_local_servers(stack: ExitStack) -> None:
    """Name this machine's servers in the environment; start a Postgres that ends with `stack` if none runs."""
    home = attune_home()
    place = servers_folder(home)
    if not os.environ.get("BROKER_URL") and (broker := valkey.running_url(place)):
        os.environ["BROKER_URL"] = broker
    if not os.environ.get("SCORER_URL") and supervisor.running_url(home):
        os.environ["SCORER_URL"] = f"unix:{scorer_socket(home)}"
    if not os.environ.get("DATABASE_URL"):
        os.environ["DATABASE_URL"] = postgres.running_url(place) or _start_postgres(home, place, stack)


def _start_postgres(home: Path, place: Path, stack: ExitStack) -> str:
    prepare_home(home)
    server = postgres.EmbeddedPostgres(place, log=home / "logs" / "postgres.log")
    stack.callback(server.stop)
    server.start()
    os.environ["DATABASE_URL"] = server.url
    if not is_prepared(home, server.url):
        with redirect_stdout(sys.stderr):  # standard output is for the command's own results
            prepare()
    return server.url
