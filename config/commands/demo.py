"""`attune demo`: `attune up` with the starter project, its two logins and an API token."""

import json
import sys
from pathlib import Path

import click

from config.commands.up import home_option, local_supervisor, port_option, run
from config.local.folders import write_secret
from config.local.prepare import database_identity
from config.local.supervisor import Supervisor


@click.command()
@port_option
@home_option
def demo(port: int, home: Path | None) -> None:
    """Start Attune with a starter project to try, and print the address, two logins and an API token.

    The same is written to demo.json in the data folder, for programs.
    """
    supervisor = local_supervisor(port=port, home=home)
    run(supervisor, beside=lambda: _seed(supervisor), ready=lambda: _announce(supervisor))


def _seed(supervisor: Supervisor) -> None:
    """Write the starter project, unless this database has it already."""
    stamp, access = supervisor.folder / "demo.database", supervisor.folder / "demo.json"
    identity = database_identity(supervisor.database_url)
    if not (identity and access.exists() and stamp.exists() and stamp.read_text() == identity):
        click.echo("writing the starter project")
        supervisor.run_once("seed", [sys.executable, "-m", "config.commands.seed", str(access)])
        stamp.write_text(identity or "")
    granted = json.loads(access.read_text())
    write_secret(access, json.dumps({**granted, "url": supervisor.url}, indent=2) + "\n")


def _announce(supervisor: Supervisor) -> None:
    granted = json.loads((supervisor.folder / "demo.json").read_text())
    click.echo(f"\n  Attune runs at {supervisor.url}\n")
    for role in ("annotator", "owner"):
        click.echo(f"  {role:<10} {granted[role]['email']}   password {granted[role]['password']}")
    click.echo(f"  {'API token':<10} {granted['token']}\n")
    click.echo("  Ctrl-C stops it; the data stays.")
