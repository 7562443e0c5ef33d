"""`attune snapshot`: freeze judgments, list what is frozen, compare two. Results as JSON on stdout."""

import json
from typing import TYPE_CHECKING, Any

import click

from config.commands.training import project_option, project_session, say

if TYPE_CHECKING:
    from training.models import Snapshot


@click.group()
def snapshot() -> None:
    """Judgments frozen to a file, known by its digest."""


@snapshot.command()
@project_option
@click.option("--name", default="", help="What to call it; names are given once.")
@click.option("--as-of", metavar="MOMENT", help="As they were then: 2026-01-02T03:04:05Z.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="NAME=VALUE",
    help="simulated, failed_checks, repeats, annotators, topics, judged_from, judged_before; can be repeated.",
)
def create(slug: str, name: str, as_of: str | None, filters: tuple[str, ...]) -> None:
    """Freeze the project's judgments. The same judgments give the same snapshot, and so does the same moment, ever again."""
    with project_session(slug) as project:
        from training.filters import SnapshotFilters, moment
        from training.snapshots import take_snapshot

        taken = take_snapshot(
            project=project,
            name=name,
            at=moment(as_of, "--as-of") if as_of else None,
            filters=SnapshotFilters.read(dict(_chosen(each) for each in filters)),
        )
        say(_described(taken))


@snapshot.command("list")
@project_option
def list_snapshots(slug: str) -> None:
    """All of the project's snapshots, newest first, one a line."""
    with project_session(slug) as project:
        from training.snapshot_selectors import snapshots_of

        for each in snapshots_of(project):
            click.echo(json.dumps(_described(each)))


@snapshot.command()
@project_option
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--counts", is_flag=True, help="Only how many.")
def diff(slug: str, before: str, after: str, counts: bool) -> None:
    """What came, what went and what was changed from A to B, each a name or the first digits of a digest.

    A line for each judgment that differs, and the counts as the last line.
    """
    with project_session(slug) as project:
        from training.comparing import compare
        from training.snapshot_selectors import find_snapshot

        found = compare(
            before=find_snapshot(project, before), after=find_snapshot(project, after), most=0 if counts else None
        )
        for row in found.rows:
            click.echo(json.dumps(row.as_json(), ensure_ascii=False))
        click.echo(json.dumps({"before": found.before.digest, "after": found.after.digest, "counts": found.counts}))


def _described(taken: "Snapshot") -> dict[str, Any]:
    from training import store

    return {
        "snapshot": taken.digest,
        "name": taken.name,
        "as_of": taken.moment.isoformat(),
        "filters": taken.filters,
        "counts": taken.counts,
        "erased": taken.erased,
        "folder": str(store.fetch_folder(taken.path)),
    }


def _chosen(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals:
        raise click.UsageError(f"{given!r} has no value; expected NAME=VALUE.")
    return name, value
