"""`attune doctor`: what stops Attune from running on this machine."""

import sys
from pathlib import Path

import click

from config.commands.up import home_option, port_option
from config.local.doctor import Finding, examine
from config.local.home import attune_home


@click.command()
@port_option
@home_option
def doctor(port: int, home: Path | None) -> None:
    """Check this machine, one line for each finding; a problem comes with its mend. Ends with 1 if there is one."""
    folder = (home or attune_home()).expanduser().resolve()
    problems = sum(_report(finding) for finding in examine(folder, port=port))
    if problems:
        click.echo(f"{problems} to mend")
    sys.exit(1 if problems else 0)


def _report(finding: Finding) -> bool:
    mark, mend = ("MEND", f": {finding.mend}") if finding.is_problem else ("ok  ", "")
    click.echo(f"{mark}  {finding.text}{mend}")
    return finding.is_problem
