"""`attune runs`: a server's runs, listed, started and waited for."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from attune.client import Run
from attune.commands.remote import REFUSED, say, server, server_options

project_option = click.option("--project", "slug", required=True, metavar="SLUG", help="By its short name.")


@click.group()
def runs() -> None:
    """Runs on a server: attempts to fit a model."""


@runs.command("list")
@project_option
@server_options
def list_runs(slug: str, url: str | None, token: str | None) -> None:
    """All runs, oldest first, one a line."""
    with server(url, token) as client:
        for row in client.runs(slug):
            click.echo(json.dumps(row, ensure_ascii=False))


@runs.command()
@project_option
@click.option("--model", metavar="NAME", help="The project's own unless given.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--promote", is_flag=True, help="Make the version live when it is done.")
@click.option("--wait", is_flag=True, help="Stay until it is over; as `attune runs wait`.")
@server_options
def start(
    slug: str, model: str | None, seed: int, promote: bool, wait: bool, url: str | None, token: str | None
) -> None:
    """Have a worker fit a model on the project's judgments."""
    with server(url, token) as client:
        run = client.start_run(slug, model=model, seed=seed, promote=promote)
        run = client.wait_for_run(slug, run.number, watch=_Watch()) if wait else run
        _end(run, waited=wait)


@runs.command()
@click.argument("number", type=int)
@project_option
@click.option("--timeout", type=float, metavar="SECONDS", help="Give up after so long, and end with 1.")
@click.option("--every", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Seconds between looks.")
@server_options
def wait(number: int, slug: str, timeout: float | None, every: float, url: str | None, token: str | None) -> None:
    """Stay until run NUMBER is over: its progress on stderr, its end as JSON. Ends with 0 only where it is done."""
    with server(url, token) as client:
        run = client.wait_for_run(slug, number, timeout=timeout, every=every, watch=_Watch())
        _end(run, waited=True)


class _Watch:
    """Says on stderr what has changed."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, run: Run) -> None:
        steps = f" {run.progress['step']}/{run.progress['steps']}" if run.progress.get("steps") else ""
        line = f"{run.progress.get('phase') or run.state}{steps}"
        if line != self._last:
            self._last = line
            click.echo(line, err=True)


def _end(run: Run, *, waited: bool) -> None:
    say(asdict(run))
    if waited and run.state != "done":
        sys.exit(REFUSED)
