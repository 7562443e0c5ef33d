"""`attune up`: everything on this machine, under one supervisor."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from config.local.errors import LocalError
from config.local.home import attune_home
from config.local.prepare import is_prepared
from config.local.supervisor import Supervisor
from config.local.table import programs, scorer_socket

port_option = click.option("--port", envvar="PORT", default=8000, show_default=True, help="Loopback port ($PORT).")
home_option = click.option(
    "--home",
    envvar="ATTUNE_HOME",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where data and logs are kept ($ATTUNE_HOME; default ./var).",
)


@click.command()
@port_option
@home_option
def up(port: int, home: Path | None) -> None:
    """Start the web server, the workers and their servers on this machine; Ctrl-C stops them.

    DATABASE_URL and BROKER_URL replace the embedded Postgres and Valkey.
    """
    supervisor = local_supervisor(port=port, home=home)
    run(supervisor, ready=lambda: click.echo(f"Attune runs at {supervisor.url} (Ctrl-C stops it)"))


def local_supervisor(*, port: int, home: Path | None) -> Supervisor:
    """A supervisor over the whole process table, with the local settings unless the environment names others."""
    folder = (home or attune_home()).expanduser().resolve()
    socket = scorer_socket(folder)
    env = {"DJANGO_SETTINGS_MODULE": "config.settings.local", "SCORER_URL": f"unix:{socket}", **os.environ}
    table = programs(port=port, scorer_socket=socket)
    return Supervisor(folder, port=port, programs=table, env=env, say=click.echo)


def run(supervisor: Supervisor, *, ready: Callable[[], None], beside: Callable[[], None] = lambda: None) -> None:
    """Run until stopped; a machine that cannot run Attune ends with one line and the mend, not a traceback."""
    click.echo(f"starting Attune in {supervisor.folder}")
    try:
        supervisor.run(before=lambda: _bring_up_to_date(supervisor), beside=beside, ready=ready)
    except LocalError as error:
        click.echo(f"Attune could not start: {error}", err=True)
        sys.exit(1)


def _bring_up_to_date(supervisor: Supervisor) -> None:
    if not is_prepared(supervisor.folder, supervisor.database_url):
        click.echo("preparing the database and the static files")
        supervisor.run_once("prepare", [sys.executable, "-m", "config.local.prepare"])
    if any((supervisor.folder / "artifacts" / "tombstones").glob("*.json")):
        supervisor.run_once("erasures", [sys.executable, "-m", "attune.cli", "erase", "--reapply"])
